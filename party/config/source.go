package config

import (
	"fmt"
	"path/filepath"
	"time"
)

// Source says where the customers are: exactly one of CSV, Parquet and Postgres.
type Source struct {
	CSV      string    `yaml:"csv"`      // path or pattern (path/filepath.Match) of CSV files in UTF-8 with the same header line
	Parquet  string    `yaml:"parquet"`  // path or pattern of Parquet files with the same columns
	Postgres *Postgres `yaml:"postgres"` // table, view or query
	// Refresh is how often the customers are loaded anew; 0 for only when told to. With a retention, they are at least daily.
	Refresh time.Duration `yaml:"refresh"`
}

const (
	// MinRefresh is the shortest time between two loads by schedule.
	MinRefresh = time.Minute
	// MaxRefresh is the longest.
	MaxRefresh = 366 * 24 * time.Hour
)

// String names the source in messages.
func (s Source) String() string {
	switch {
	case s.Parquet != "":
		return s.Parquet
	case s.Postgres != nil:
		return s.Postgres.String()
	}
	return s.CSV
}

func (s Source) check() error {
	declared := 0
	for _, is := range []bool{s.CSV != "", s.Parquet != "", s.Postgres != nil} {
		if is {
			declared++
		}
	}
	switch {
	case declared == 0:
		return fmt.Errorf("source: none, must be csv or parquet, the path of a file, or postgres")
	case declared > 1:
		return fmt.Errorf("source: more than one of csv, parquet and postgres")
	case s.Refresh != 0 && (s.Refresh < MinRefresh || s.Refresh > MaxRefresh):
		return fmt.Errorf("source: refresh %s: must be %s to %s", s.Refresh, MinRefresh, MaxRefresh)
	}
	if s.Postgres != nil {
		if err := s.Postgres.check(); err != nil {
			return fmt.Errorf("source: postgres: %w", err)
		}
	}
	return nil
}

func (s *Source) resolveFrom(folder string) {
	for _, path := range []*string{&s.CSV, &s.Parquet} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	if s.Postgres != nil {
		s.Postgres.ResolveFrom(folder)
	}
}

// local returns the source with the names of files alone.
func (s Source) local() Source {
	if s.CSV != "" {
		s.CSV = filepath.Base(s.CSV)
	}
	if s.Parquet != "" {
		s.Parquet = filepath.Base(s.Parquet)
	}
	if s.Postgres != nil && s.Postgres.Connection.File != "" {
		moved := *s.Postgres
		moved.Connection.File = filepath.Base(moved.Connection.File)
		s.Postgres = &moved
	}
	return s
}

package lab_test

import (
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // another engine than the parties have

	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// tables opens a database in memory with the files of all parties. For a party shop, the table shop_rows has the rows of
// its file with their columns, all text, NULL where a field is empty, and in the column person the normalised id; rows of
// nobody are left out. The view shop has a row for each person: the first one in the file.
func tables(t *testing.T, f *lab.File) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range f.Parties {
		if err := fill(db, &f.Parties[i]); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func fill(db *sql.DB, p *config.Party) error {
	file, err := os.Open(p.Source.CSV)
	if err != nil {
		return err
	}
	defer file.Close()
	rows := csv.NewReader(file)
	header, err := rows.Read()
	if err != nil {
		return err
	}
	id := -1
	columns := []string{"person TEXT"}
	for i, name := range header {
		columns = append(columns, fmt.Sprintf("%q TEXT", name))
		if name == p.Identity[0].Column {
			id = i
		}
	}
	if id < 0 {
		return fmt.Errorf("%s has no column %q", p.Source.CSV, p.Identity[0].Column)
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec(fmt.Sprintf("CREATE TABLE %s_rows (%s)", p.Name, strings.Join(columns, ", "))); err != nil {
		return err
	}
	insert, err := tx.Prepare(fmt.Sprintf("INSERT INTO %s_rows VALUES (?%s)", p.Name, strings.Repeat(", ?", len(header))))
	if err != nil {
		return err
	}
	normalizer := ids.Normalizer{Type: p.Identity[0].Type}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		person, ok := normalizer.Normalize(row[id])
		if !ok {
			continue
		}
		values := []any{person}
		for _, v := range row {
			if v == "" {
				values = append(values, nil)
			} else {
				values = append(values, v)
			}
		}
		if _, err := insert.Exec(values...); err != nil {
			return err
		}
	}
	// Columns beside a min() are those of the row that has it (sqlite.org/lang_select.html, section 2.5).
	if _, err := tx.Exec(fmt.Sprintf("CREATE VIEW %[1]s AS SELECT *, min(rowid) AS line FROM %[1]s_rows GROUP BY person", p.Name)); err != nil {
		return err
	}
	return tx.Commit()
}

// truthBySQL returns the numbers in the last column of a query's result, by the others joined by " | ".
func truthBySQL(t *testing.T, db *sql.DB, query string) map[string]float64 {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	truth := map[string]float64{}
	for rows.Next() {
		group, number := make([]string, len(columns)-1), 0.
		into := []any{}
		for i := range group {
			into = append(into, &group[i])
		}
		if err := rows.Scan(append(into, &number)...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		truth[strings.Join(group, " | ")] = number
	}
	if err := rows.Err(); err != nil || len(truth) == 0 {
		t.Fatalf("%s: %d numbers, error %v", query, len(truth), err)
	}
	return truth
}

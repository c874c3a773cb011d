package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
)

const (
	// MinTimeout is the shortest statement time-out.
	MinTimeout = time.Second
	// MaxTimeout is the longest.
	MaxTimeout = 24 * time.Hour
	// DefaultTimeout is the statement time-out of a party that declares none.
	DefaultTimeout = 10 * time.Minute

	// maxIdentifierBytes is how long PostgreSQL's names are: it cuts off what is longer, and would find another table.
	maxIdentifierBytes = 63
	// maxSecretBytes is far more than a connection string has.
	maxSecretBytes = 1 << 14
)

// variable is what POSIX allows as the name of an environment variable (XBD 8.1).
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Postgres says where a party's customers are in a PostgreSQL database: exactly one of Table and Query.
type Postgres struct {
	// Connection is where the connection string or URL is, as libpq takes it (PostgreSQL's documentation, section
	// "Connection Strings").
	Connection Secret `yaml:"connection"`
	// Table is the name of a table or view, "name" or "schema.name", as the catalog has it: never folded to lower case.
	Table string `yaml:"table"`
	// Query is one SELECT.
	Query string `yaml:"query"`
	// Timeout is how long one statement may take at the server, MinTimeout to MaxTimeout; 0 for DefaultTimeout. Rows are
	// read by many statements.
	Timeout time.Duration `yaml:"timeout"`
}

// Secret says where a line of text is that must not stand in a party's file: exactly one of File and Env.
type Secret struct {
	File string `yaml:"file"` // path of a file that only its owner may read
	Env  string `yaml:"env"`  // name of an environment variable
}

// String names the source in messages.
func (p *Postgres) String() string {
	if p.Table != "" {
		return "postgres table " + p.Table
	}
	return "postgres query"
}

// StatementTimeout returns the time-out that holds.
func (p *Postgres) StatementTimeout() time.Duration {
	if p.Timeout == 0 {
		return DefaultTimeout
	}
	return p.Timeout
}

// ResolveFrom makes a path that is relative to folder, where the declaration was read, relative to the working directory.
func (p *Postgres) ResolveFrom(folder string) {
	if f := &p.Connection.File; *f != "" && !filepath.IsAbs(*f) {
		*f = filepath.Join(folder, *f)
	}
}

// ConnectionString reads the connection string or URL. Errors are faults that name where it should be and never quote it:
// NotFound if there is none, Invalid if others than the file's owner may read it, or if it is not one line of text.
func (p *Postgres) ConnectionString() (string, error) {
	text, err := p.Connection.read()
	if err != nil {
		kind := fault.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.NotFound
		}
		return "", fault.New(kind, "postgres connection: %s", err).
			WithHint("one line such as postgres://user:password@host/database?sslmode=verify-full, in a file of mode 0600 or an environment variable")
	}
	return text, nil
}

func (p *Postgres) check() error {
	if err := p.Connection.check(); err != nil {
		return fmt.Errorf("connection: %w", err)
	}
	switch {
	case p.Table == "" && strings.TrimSpace(p.Query) == "":
		return fmt.Errorf("neither table nor query, must be one of them")
	case p.Table != "" && p.Query != "":
		return fmt.Errorf("both table and query, must be one of them")
	case p.Timeout != 0 && (p.Timeout < MinTimeout || p.Timeout > MaxTimeout):
		return fmt.Errorf("timeout %s: must be %s to %s", p.Timeout, MinTimeout, MaxTimeout)
	case p.Table != "":
		return checkTable(p.Table)
	}
	return nil
}

func checkTable(table string) error {
	parts := strings.Split(table, ".")
	if len(parts) > 2 {
		return fmt.Errorf("table %.200q: must be name or schema.name", table)
	}
	for _, part := range parts {
		switch {
		case part == "":
			return fmt.Errorf("table %.200q: an empty name, must be name or schema.name", table)
		case len(part) > maxIdentifierBytes:
			return fmt.Errorf("table %.200q: name of %d bytes, must be at most %d", table, len(part), maxIdentifierBytes)
		case !printable(part) || strings.TrimSpace(part) != part:
			return fmt.Errorf("table %.200q: must be printable text, without blanks around it", table)
		}
	}
	return nil
}

func (s Secret) check() error {
	switch {
	case s.File == "" && s.Env == "":
		return fmt.Errorf("neither file nor env, must be one of them")
	case s.File != "" && s.Env != "":
		return fmt.Errorf("both file and env, must be one of them")
	// What is neither may be the secret itself, and is not repeated.
	case s.Env != "" && !variable.MatchString(s.Env):
		return fmt.Errorf("env: must be the name of an environment variable: letters, digits and _")
	case strings.Contains(s.File, "://") || !printable(s.File):
		return fmt.Errorf("file: must be the path of a file")
	}
	return nil
}

// read returns the secret. If there is none, the error wraps fs.ErrNotExist.
func (s Secret) read() (string, error) {
	text, where := os.Getenv(s.Env), "environment variable "+s.Env
	if s.File != "" {
		where = s.File
		var err error
		if text, err = readPrivate(s.File); err != nil {
			return "", err
		}
	} else if _, set := os.LookupEnv(s.Env); !set {
		return "", fmt.Errorf("%s: not set: %w", where, fs.ErrNotExist)
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", fmt.Errorf("%s: empty", where)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("%s: more than one line", where)
	case len(text) > maxSecretBytes:
		return "", fmt.Errorf("%s: longer than %d bytes", where, maxSecretBytes)
	case !printable(text):
		return "", fmt.Errorf("%s: must be printable text in UTF-8", where)
	}
	return text, nil
}

// readPrivate reads a file, if nobody but its owner may.
func readPrivate(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file", path) // opening a pipe would wait for a writer
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("%s: mode %04o, others than its owner may read or write it, must be 0600 or 0400", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 2*maxSecretBytes))
	return string(text), err
}

package customers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// duck is one in-memory DuckDB with one connection, for one goroutine.
//
// It speaks DuckDB's C interface through the bindings that the database/sql driver is made of, for two things that the
// driver lacks: results arrive in chunks while the file is read, instead of being held whole, and their columns are read
// in place, without an interface value per cell.
type duck struct {
	database   bindings.Database
	connection bindings.Connection

	done    chan struct{} // closed by close
	stopped chan struct{} // closed when nobody interrupts the connection any more
}

// What DuckDB may use. A plain file needs about 100 MB however long it is; the limit is for expressions gone wild.
const memoryLimit = "1GB"

// newDuck starts a DuckDB whose statements fail soon after the end of ctx. The caller must close it.
func newDuck(ctx context.Context) (*duck, error) {
	var options bindings.Config
	if bindings.CreateConfig(&options) == bindings.StateError {
		return nil, errors.New("start DuckDB: no configuration")
	}
	defer bindings.DestroyConfig(&options)
	for _, option := range [][2]string{
		{"threads", strconv.Itoa(runtime.GOMAXPROCS(0))},
		{"memory_limit", memoryLimit},
		{"temp_directory", ""}, // customers never spill to disk
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
	} {
		if bindings.SetConfig(options, option[0], option[1]) == bindings.StateError {
			return nil, fmt.Errorf("start DuckDB: it does not take %s = %q", option[0], option[1])
		}
	}
	d := &duck{done: make(chan struct{}), stopped: make(chan struct{})}
	var reason string
	if bindings.OpenExt("", &d.database, options, &reason) == bindings.StateError {
		return nil, fmt.Errorf("start DuckDB: %s", reason)
	}
	if bindings.Connect(d.database, &d.connection) == bindings.StateError {
		bindings.Close(&d.database)
		return nil, errors.New("start DuckDB: no connection")
	}
	go d.interrupt(ctx)
	return d, nil
}

// interrupt stops whatever the connection does once ctx ends. It repeats itself, since an interrupt between two
// statements is lost.
func (d *duck) interrupt(ctx context.Context) {
	defer close(d.stopped)
	select {
	case <-d.done:
		return
	case <-ctx.Done():
	}
	for {
		bindings.Interrupt(d.connection)
		select {
		case <-d.done:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (d *duck) close() {
	close(d.done)
	<-d.stopped
	bindings.Disconnect(&d.connection)
	bindings.Close(&d.database)
}

// lock takes from all later statements the right to read other files, to write any, and to undo this.
func (d *duck) lock(ctx context.Context, readable files) error {
	for _, statement := range []string{
		"SET streaming_buffer_size = '16MB'", // so that all threads read while rows are taken in
		"SET TimeZone = 'UTC'",               // dates do not depend on the machine
		"SET allowed_paths = " + readable.list(),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := d.exec(ctx, statement); err != nil {
			return fmt.Errorf("lock DuckDB: %w", err)
		}
	}
	return nil
}

// exec runs one statement that has no result.
func (d *duck) exec(ctx context.Context, sql string) error {
	return d.each(ctx, sql, func(chunk) error { return nil })
}

// columnType returns the name of the type that the only column of a query has, without running it.
func (d *duck) columnType(ctx context.Context, sql string) (bindings.Type, error) {
	statement, err := d.prepare(ctx, sql)
	if err != nil {
		return 0, err
	}
	defer bindings.DestroyPrepare(&statement)
	if n := bindings.PreparedStatementColumnCount(statement); n != 1 {
		return 0, &compileError{"it is not one value"}
	}
	return bindings.PreparedStatementColumnType(statement, 0), nil
}

func (d *duck) prepare(ctx context.Context, sql string) (bindings.PreparedStatement, error) {
	var statement bindings.PreparedStatement
	if err := ctx.Err(); err != nil {
		return statement, err
	}
	if bindings.Prepare(d.connection, sql, &statement) == bindings.StateError {
		err := newCompileError(bindings.PrepareError(statement))
		bindings.DestroyPrepare(&statement)
		return statement, err
	}
	return statement, nil
}

// each runs one statement and calls f for the chunks of its result, in their order, while it runs. It returns f's error,
// if there is one, or the statement's: a *compileError if it did not start, a *fileError or *rowError if it did.
func (d *duck) each(ctx context.Context, sql string, f func(chunk) error) error {
	statement, err := d.prepare(ctx, sql)
	if err != nil {
		return err
	}
	defer bindings.DestroyPrepare(&statement)
	var pending bindings.PendingResult
	// Deprecated by DuckDB, which has no other way yet to hand out rows before it has read the last one.
	state := bindings.PendingPreparedStreaming(statement, &pending)
	defer bindings.DestroyPending(&pending)
	if state == bindings.StateError {
		return failure(ctx, bindings.PendingError(pending))
	}
	var result bindings.Result
	state = bindings.ExecutePending(pending, &result)
	defer bindings.DestroyResult(&result)
	if state == bindings.StateError {
		return failure(ctx, bindings.ResultError(&result))
	}
	for {
		fetched := bindings.FetchChunk(result)
		if fetched.Ptr == nil {
			// The end and an error look alike.
			return failure(ctx, bindings.ResultError(&result))
		}
		err := f(chunk{fetched})
		bindings.DestroyDataChunk(&fetched)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// failure returns the error for what DuckDB says of a statement that ran, nil if it says nothing.
func failure(ctx context.Context, message string) error {
	if message == "" {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return newRunError(message)
}

// quoteText returns s as an SQL literal.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteName returns s as an SQL identifier.
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

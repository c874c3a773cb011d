package journal

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

// File is what a [Journal] and the ledger of what was spent are built upon: an SQLite file that only grows, and the head file
// beside it. It makes commits durable and the head file follow them, and after a failure it refuses everything. What the rows
// are, and that they are chained, is up to its owner, who also calls it from one goroutine at a time.
type File struct {
	kind string
	path string                   // without symbolic links
	then identities               // the files as they were opened
	step func(point string) error // see Trace

	db       *sql.DB   // nil once closed
	seen     *headFile // nil once closed, or if opened to be read
	known    Head      // what the head file said when it was opened
	unusable error     // why nothing goes on, or nil
}

// CreateFile makes a new file with a schema, whose PRAGMA user_version is its format, and a head file for a history of no rows.
// The kind, such as "ledger", tells its head file from others'. It refuses to touch a file that exists; that error wraps
// fs.ErrExist. If it fails, it leaves nothing.
func CreateFile(path, kind, schema string) error {
	err := sqlite.Create(path, schema)
	if err == nil {
		if err = createHeadFile(path, kind); err != nil {
			err = errors.Join(err, sqlite.Remove(path))
		}
	}
	return err
}

// OpenFile opens a file to be read and written, by this process alone. The owner MUST verify its rows and that they lead
// through Known. Errors wrap fs.ErrNotExist where there is no file, [ErrNoHead] where only the head file is missing, and
// sqlite.VersionError if it is of another format.
func OpenFile(path, kind string, version int) (f *File, err error) {
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f = &File{kind: kind, path: path, step: func(string) error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			f = nil
		}
	}()
	if f.seen, err = openHeadFile(path, kind); err != nil {
		return f, err
	}
	f.known = f.seen.head
	if f.db, err = sqlite.Open(path, version); err != nil {
		return f, err
	}
	f.then, err = identify(path)
	return f, err
}

// OpenFileReadOnly opens a file as OpenFile does, perhaps beside the process that writes it, to read what is committed. It
// changes nothing. If a first writer comes while it is open, reads may fail with a damage that is none: open it anew then.
func OpenFileReadOnly(path, kind string, version int) (*File, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	known, err := readHeadFile(path, kind) // before the rows: what it says is then among them
	if err != nil {
		return nil, err
	}
	db, err := sqlite.OpenReadOnly(path, version)
	if err != nil {
		return nil, err
	}
	return &File{kind: kind, path: path, db: db, known: known}, nil
}

// Path returns the file's name without symbolic links.
func (f *File) Path() string { return f.path }

// DB returns the file's only connection, to read; nil once it is closed.
func (f *File) DB() *sql.DB { return f.db }

// Known returns a head that the history must lead through: the one in the head file when the file was opened.
func (f *File) Known() Head { return f.known }

// Trace makes the file call step at the points at which a crash differs from one a moment earlier: those that the owner
// reaches, and in a Commit of X "<kind>: X written" (but not committed), "<kind>: X committed" and "<kind>: X kept" (the head
// file is written too). An error there counts as the disk's.
func (f *File) Trace(step func(point string) error) { f.step = step }

// Reach is called at a point of X before its Commit.
func (f *File) Reach(what, point string) error {
	if err := f.step(f.kind + ": " + point); err != nil {
		return f.fail(what, err)
	}
	return nil
}

// Commit makes durable, all or nothing, what write does in a transaction, which leads to head. If it fails, of fault.Internal,
// what the file holds is not known, and it is not used any more; but for a file that another program holds, into which
// nothing was written: that is of fault.Unavailable.
func (f *File) Commit(what string, head Head, write func(context.Context, *sql.Tx) error) error {
	if err := f.Writable(); err != nil {
		return err
	}
	ctx := context.Background() // a commit that a context cuts off may be there or not
	tx, err := f.db.BeginTx(ctx, nil)
	if sqlite.Busy(err) {
		return fault.New(fault.Unavailable, "another program holds the %s file", f.kind).Wrap(err).WithHint("try again later")
	}
	if err != nil {
		return f.fail(what, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := write(ctx, tx); err != nil {
		return f.fail(what, err)
	}
	if err := f.Reach(what, what+" written"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return f.fail(what, err)
	}
	if err := f.Reach(what, what+" committed"); err != nil {
		return err
	}
	if err := f.keep(head); err != nil {
		return f.fail(what, err)
	}
	return f.Reach(what, what+" kept")
}

// keep notes in the head file what was committed, if it was committed to the files that will be found again.
func (f *File) keep(head Head) error {
	if err := f.then.check(f.path); err != nil {
		return err
	}
	return f.seen.write(head)
}

// fail latches the file: whether what it was writing is there is not known until it is opened anew.
func (f *File) fail(what string, err error) error {
	f.unusable = fault.New(fault.Internal, "the %s file %s failed and is not used until the node is restarted", f.kind, f.path).Wrap(err)
	return fault.New(fault.Internal, "%s in the %s file %s", what, f.kind, f.path).Wrap(err)
}

// Usable returns why the file is not used any more, of fault.Internal, or nil.
func (f *File) Usable() error { return f.unusable }

// Writable returns why nothing can be written, of fault.Internal, or nil.
func (f *File) Writable() error {
	if f.unusable != nil {
		return f.unusable
	}
	if f.seen == nil {
		return fault.New(fault.Internal, "the %s file %s was opened to be read", f.kind, f.path)
	}
	return nil
}

// Close closes the files. What is called afterwards fails.
func (f *File) Close() error {
	var err error
	if f.db != nil {
		err = f.db.Close()
		f.db = nil
	}
	if f.seen != nil {
		err = errors.Join(err, f.seen.close())
		f.seen = nil
	}
	f.unusable = fault.New(fault.Internal, "the %s file is closed", f.kind)
	return err
}

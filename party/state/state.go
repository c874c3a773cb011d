// Package state is what a party's node keeps on its disk, in one folder that is its alone:
//
//	ledger.db    what was spent (package ledger)
//	audit.db     what was decided (package audit)
//	subjects.db  what customers have said about their data, encrypted (package subjects)
//	members/     who was among the customers of a question, encrypted (package members)
//	matches/     where customers are in the matched layout, encrypted (package matches)
//	owner.sock   where the owner reaches the node while it runs
//
// All but the socket belong together: back them up and restore them together, and the key of what is encrypted elsewhere.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/ledger"
	"github.com/sotto-dev/sotto/party/matches"
	"github.com/sotto-dev/sotto/party/members"
	"github.com/sotto-dev/sotto/party/subjects"
	"github.com/sotto-dev/sotto/party/vault"
)

// The names in the folder.
func Ledger(folder string) string   { return filepath.Join(folder, "ledger.db") }
func Audit(folder string) string    { return filepath.Join(folder, "audit.db") }
func Subjects(folder string) string { return filepath.Join(folder, "subjects.db") }
func Members(folder string) string  { return filepath.Join(folder, "members") }
func Matches(folder string) string  { return filepath.Join(folder, "matches") }
func Socket(folder string) string   { return filepath.Join(folder, "owner.sock") }

// State is an open state. One process at a time has it open.
type State struct {
	Folder   string
	Ledger   *ledger.Ledger
	Audit    *audit.Log
	Subjects *subjects.List
	Members  *members.Store
	Matches  *matches.Store
	vault    *vault.Vault
}

// Create makes a new, empty state, sealed by v, in a folder that does not exist or is empty. It is made as a whole or not at
// all.
func Create(folder string, v *vault.Vault) (err error) {
	folder = filepath.Clean(folder)
	if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
		return fault.New(fault.Invalid, "create state: %s is not empty, and what is there is never overwritten", folder).
			WithHint("without its state a node does not know what it has spent: a new one is for a node's very first start")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Invalid, "create state: %s", err)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return fault.New(fault.Invalid, "create state: %s", err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(folder), ".state-*") // 0700
	if err != nil {
		return fault.New(fault.Invalid, "create state: %s", err)
	}
	defer os.RemoveAll(draft) // which is gone if all went well
	for _, create := range []func() error{
		func() error { return ledger.Create(Ledger(draft)) },
		func() error { return audit.Create(Audit(draft)) },
		func() error { return subjects.Create(Subjects(draft), v) },
		func() error { return os.Mkdir(Members(draft), 0o700) },
		func() error { return os.Mkdir(Matches(draft), 0o700) },
		func() error { return sqlite.SyncFolder(draft) },
		func() error { return os.Rename(draft, folder) }, // over an empty folder
		func() error { return sqlite.SyncFolder(filepath.Dir(folder)) },
	} {
		if err := create(); err != nil {
			return fault.New(fault.Internal, "create state in %s", folder).Wrap(err)
		}
	}
	return nil
}

// Open opens a state, sealed by v. It is an error if any part of it is missing or damaged, another process has it open, or it is
// sealed under another key. v is closed with it.
//
// A folder for matchings is made where there is none, as in states from before there were any. Without it nothing is forgotten that
// a node must know: it has no matching, says so, and has one again after the next.
func Open(folder string, v *vault.Vault) (_ *State, err error) {
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no state at %s: without it a node does not know what it has spent, nor whom it must leave out", folder).
			WithHint("restore it from a backup; on this node's very first start, and only then, add --create-state")
	}
	s := &State{Folder: folder, vault: v}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Ledger, err = ledger.Open(Ledger(folder)); err != nil {
		return nil, err
	}
	if s.Audit, err = audit.Open(Audit(folder)); err != nil {
		return nil, err
	}
	if s.Subjects, err = subjects.Open(Subjects(folder), v); err != nil {
		return nil, err
	}
	if _, err = os.Stat(Members(folder)); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if s.Members, err = members.Open(Members(folder), v); err != nil {
		return nil, err
	}
	if s.Matches, err = openMatches(folder, v); err != nil {
		return nil, err
	}
	return s, nil
}

// openMatches opens the matchings, where all else of the state is open.
func openMatches(folder string, v *vault.Vault) (*matches.Store, error) {
	err := os.Mkdir(Matches(folder), 0o700)
	if err == nil {
		err = sqlite.SyncFolder(folder)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open state: %w", err)
	}
	return matches.Open(Matches(folder), v)
}

// Trace makes all parts call f at the points at which a crash differs from one a moment earlier. It is for tests.
func (s *State) Trace(f func(point string)) {
	s.Ledger.Trace(f)
	s.Audit.Trace(f)
	s.Subjects.Trace(f)
	s.Members.Trace(f)
	s.Matches.Trace(f)
	s.vault.Trace(f)
}

// Close closes all parts.
func (s *State) Close() error {
	var errs []error
	if s.Matches != nil {
		errs = append(errs, s.Matches.Close())
	}
	if s.Members != nil {
		errs = append(errs, s.Members.Close())
	}
	if s.Subjects != nil {
		errs = append(errs, s.Subjects.Close())
	}
	if s.Audit != nil {
		errs = append(errs, s.Audit.Close())
	}
	if s.Ledger != nil {
		errs = append(errs, s.Ledger.Close())
	}
	if s.vault != nil {
		s.vault.Close()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the state in %s: %w", s.Folder, err)
	}
	return nil
}

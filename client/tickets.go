package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/sotto-dev/sotto/internal/fault"
)

// tickets keeps the tickets of an analyst's questions, so that a question need not be paid for twice: in a folder of the
// analyst's identity, or in memory where there is none.
//
// The folder has a file for each ticket, named by the question's identifier, and one for each content that was asked about,
// named same- and the content's hash, with the identifier of the latest question of that content.
type tickets struct {
	folder string // "" for memory

	mu     sync.Mutex // guards all below
	stored map[string][]byte
	asking map[[32]byte]*sync.Mutex
}

func newTickets(folder string) *tickets {
	return &tickets{folder: folder, stored: map[string][]byte{}, asking: map[[32]byte]*sync.Mutex{}}
}

// lock makes goroutines that ask the same wait for each other, so that one of them pays. It returns what unlocks.
func (s *tickets) lock(content [32]byte) (unlock func()) {
	s.mu.Lock()
	one, ok := s.asking[content]
	if !ok {
		one = &sync.Mutex{}
		s.asking[content] = one
	}
	s.mu.Unlock()
	one.Lock()
	return one.Unlock
}

// keep stores a ticket and makes it the latest of its content.
func (s *tickets) keep(t *Ticket) error {
	encoded, err := t.MarshalBinary()
	if err != nil {
		return err
	}
	if err := s.write(t.ID, encoded); err != nil {
		return fault.New(fault.Internal, "keep the key of the answer").Wrap(err)
	}
	if err := s.write(latest(t.query.Content()), []byte(t.ID)); err != nil {
		return fault.New(fault.Internal, "keep the key of the answer").Wrap(err)
	}
	return nil
}

func latest(content [32]byte) string { return "same-" + hex.EncodeToString(content[:]) }

// of returns the ticket of the latest question of a content, nil if there is none that can be read: then the question is
// asked anew.
func (s *tickets) of(content [32]byte) *Ticket {
	id, err := s.read(latest(content))
	if err != nil {
		return nil
	}
	t, err := s.find(string(id))
	if err != nil || t.query.Content() != content {
		return nil
	}
	return t
}

var ticketName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// find returns the ticket of a question.
func (s *tickets) find(id string) (*Ticket, error) {
	if id = strings.TrimSpace(id); !ticketName.MatchString(id) {
		return nil, fault.New(fault.Invalid, "%.80q is not the identifier of a question: it must be 64 hexadecimal digits", id)
	}
	encoded, err := s.read(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no question %s was asked with this identity", id).
			WithHint("the key of an answer stays where the question was asked: use the same identity")
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "read the key of an answer").Wrap(err)
	}
	t := &Ticket{}
	return t, t.UnmarshalBinary(encoded)
}

func (s *tickets) read(name string) ([]byte, error) {
	if s.folder != "" {
		return os.ReadFile(filepath.Join(s.folder, name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored, ok := s.stored[name]; ok {
		return stored, nil
	}
	return nil, fs.ErrNotExist
}

// write stores a file whole or not at all, for its owner only.
func (s *tickets) write(name string, content []byte) error {
	if s.folder == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stored[name] = content
		return nil
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(s.folder, ".draft-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // which is gone if all went well
	_, err = draft.Write(content)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), filepath.Join(s.folder, name)); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

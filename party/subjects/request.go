package subjects

import (
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// Kind says what is asked for.
type Kind string

const (
	// Withdraw ends the consent to a purpose, or to all, also to those that are declared later.
	Withdraw Kind = "withdraw"
	// Erase takes a person out of everything, whatever the purpose.
	Erase Kind = "erase"
	// Restore takes back the withdrawal of a purpose; or, without one, all withdrawals and an erasure.
	Restore Kind = "restore"

	// opening is the kind of the first record of every list.
	opening = "opening"
)

// Request is what some people ask for, all the same.
type Request struct {
	Kind    Kind
	Purpose string    // of Withdraw and Restore: a text of at most 200 bytes, or "" for every purpose; of Erase: ""
	IDs     []ids.ID  // at least one; one that is there twice counts once
	At      time.Time // when it came; kept in seconds. Which request is the last word, their order says, not the clock.
}

const maxPurpose = 200 // bytes, as in agreements

func (r Request) check() error {
	switch r.Kind {
	case Withdraw, Restore:
	case Erase:
		if r.Purpose != "" {
			return fault.New(fault.Invalid, "erase for purpose %q: an erasure is of everything", r.Purpose).
				WithHint("leave the purpose out, or withdraw it")
		}
	default:
		return fault.New(fault.Invalid, "request %q is not one of %q, %q, %q", r.Kind, Withdraw, Erase, Restore)
	}
	switch {
	case len(r.Purpose) > maxPurpose || !utf8.ValidString(r.Purpose):
		return fault.New(fault.Invalid, "%s: a purpose is UTF-8 of at most %d bytes", r.Kind, maxPurpose)
	case len(r.IDs) == 0:
		return fault.New(fault.Invalid, "%s: for nobody; at least one id is needed", r.Kind)
	case r.At.Unix() <= 0:
		return fault.New(fault.Invalid, "%s: time %s is not after 1970", r.Kind, r.At)
	}
	return nil
}

const (
	hashSize = len(vault.Hash{})
	// perRecord keeps the records of large requests below 1 MB.
	perRecord = 60_000

	recordDomain = "sotto/v1/subjects-record"
)

// record is what a row of the list holds, sealed.
type record struct {
	Kind    string
	Purpose string
	At      int64  // Unix seconds
	Hashes  []byte // the keyed hashes of those who ask, one after the other
}

func (r record) encode() []byte { return canon.Encode(recordDomain, r) }

func decode(encoded []byte) (r record, err error) {
	if err := canon.Decode(recordDomain, encoded, &r); err != nil {
		return r, err
	}
	if len(r.Hashes)%hashSize != 0 {
		return r, fmt.Errorf("hashes of %d bytes, must be a multiple of %d", len(r.Hashes), hashSize)
	}
	switch r.Kind {
	case string(Withdraw), string(Erase), string(Restore), opening:
		return r, nil
	}
	return r, fmt.Errorf("kind %q is not one that this program knows", r.Kind)
}

func (r *record) hashes() iter.Seq[vault.Hash] {
	return func(yield func(vault.Hash) bool) {
		for i := 0; i < len(r.Hashes); i += hashSize {
			if !yield(vault.Hash(r.Hashes[i : i+hashSize])) {
				return
			}
		}
	}
}

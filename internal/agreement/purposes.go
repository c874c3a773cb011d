package agreement

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/fault"
)

const (
	// MaxPurposes is the most purposes that an agreement can have.
	MaxPurposes = 50
	// MaxPurposeBytes is the most bytes that a purpose can have.
	MaxPurposeBytes = 200
)

// HasPurpose reports whether questions may be for the purpose p, word for word.
func (a *Agreement) HasPurpose(p string) bool { return slices.Contains(a.Purposes, p) }

func (a *Agreement) checkPurposes() error {
	if n := len(a.Purposes); n < 1 || n > MaxPurposes {
		return fault.New(fault.Invalid, "purposes: %d of them, must be 1 to %d: each question is for one", n, MaxPurposes)
	}
	for i, purpose := range a.Purposes {
		switch {
		case len(purpose) > MaxPurposeBytes:
			return fault.New(fault.Invalid, "purpose %.80q: %d bytes, must be at most %d", purpose, len(purpose), MaxPurposeBytes)
		case !utf8.ValidString(purpose) || strings.ContainsFunc(purpose, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fault.New(fault.Invalid, "purpose %.80q: must be printable text", purpose)
		case purpose == "" || strings.TrimSpace(purpose) != purpose:
			return fault.New(fault.Invalid, "purpose %.80q: must be a text without blanks around it", purpose)
		case slices.Contains(a.Purposes[:i], purpose):
			return fault.New(fault.Invalid, "purpose %.80q: named twice", purpose)
		}
	}
	return nil
}

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// tidied returns an entry with its texts cut to what fits and its times as they are kept: what an analyst sends decides many
// of them, and must not be able to keep a decision out of the log.
func (e Entry) tidied() Entry {
	e.Row = 0
	e.At = e.At.UTC().Truncate(time.Millisecond)
	if !e.Received.IsZero() {
		e.Received = e.Received.UTC().Truncate(time.Millisecond)
	}
	for _, t := range e.texts() {
		*t.at = cut(strings.ToValidUTF8(*t.at, "\uFFFD"), t.most)
	}
	return e
}

// cut shortens a text to so many bytes, of which the last then are "…".
func cut(s string, most int) string {
	const mark = "…"
	if len(s) <= most {
		return s
	}
	end := most - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// MarshalJSON returns an entry on one line, in which nothing but printable characters and plain spaces is left as it is: a
// purpose or a name made of control characters does nothing to the terminal that shows it.
func (e Entry) MarshalJSON() ([]byte, error) {
	type plain Entry
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plain(e)); err != nil {
		return nil, err
	}
	return []byte(Printable(strings.TrimSuffix(out.String(), "\n"))), nil
}

// Printable returns a text in which characters that can't be printed, such as control characters and those that reverse the
// direction of writing, are written as \u202e.
func Printable(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func decode(row int64, record []byte) (e Entry, err error) {
	type plain Entry
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode((*plain)(&e)); err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			err = e.Check()
		} else {
			err = errors.New("more follows it")
		}
	}
	if err != nil {
		return Entry{}, fmt.Errorf("row %d is no entry: %w", row, err)
	}
	e.Row = row
	return e, nil
}

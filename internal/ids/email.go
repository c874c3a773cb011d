package ids

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// appendEmail appends the normalised address to out. Nearly all addresses are ASCII and well formed: they take one pass
// here. Anything else is left to appendAnyEmail, which decides alone what is nobody.
func appendEmail(out []byte, raw string) ([]byte, bool) {
	s := raw
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	start, at := len(out), -1
	for i := range len(s) {
		c := s[i]
		switch {
		case c <= ' ' || c >= 0x7f:
			return appendAnyEmail(out[:start], raw)
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '@':
			if at >= 0 {
				return nil, false
			}
			at = i
		}
		out = append(out, c)
	}
	if at <= 0 || at == len(s)-1 {
		return nil, false
	}
	return out, true
}

// appendAnyEmail is the definition of a normalised address, for any input.
func appendAnyEmail(out []byte, raw string) ([]byte, bool) {
	if !utf8.ValidString(raw) {
		return nil, false
	}
	s := strings.TrimFunc(norm.NFC.String(raw), isBlank)
	s = norm.NFC.String(lower(s))
	local, host, found := strings.Cut(s, "@")
	if !found || local == "" || host == "" || strings.Contains(host, "@") || strings.ContainsFunc(s, isBlank) {
		return nil, false
	}
	return append(out, s...), true
}

// lower maps s to lower case by Unicode's default rules (UnicodeData and SpecialCasing, no language), with one change:
// small sigma has one form, whatever its place in a word, so that the result does not depend on how s was spelt.
func lower(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch r {
		case 'İ': // the only letter whose lower case is two code points in every language
			b.WriteString("i\u0307")
		case 'ς':
			b.WriteRune('σ')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

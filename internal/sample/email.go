package sample

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalise is the product's rule for e-mails: composed form (NFC), without white space around, lower-case by Unicode.
// Two spellings are one person exactly if their normalised forms are equal.
func normalise(email string) string {
	return strings.ToLower(strings.TrimSpace(norm.NFC.String(email)))
}

// unjoined replaces the letters that do not decompose into a plain one and an accent.
var unjoined = strings.NewReplacer(
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "ß", "ss", "ı", "i",
)

// plain returns text in lower-case ASCII letters, without accents.
func plain(text string) string {
	folded := unjoined.Replace(strings.ToLower(text))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(folded))
}

var inMailbox = strings.NewReplacer(" ", "", "'", "")

// address makes an e-mail, in normal form, from a name. One name with accents in twelve keeps them (RFC 6531).
// taken holds the normal forms given out so far; the new one is none of them and is added.
func address(s *stream, first, last string, taken map[string]struct{}) string {
	spell := plain
	if s.Chance(1.0 / 12) {
		spell = normalise
	}
	first, last = inMailbox.Replace(spell(first)), inMailbox.Replace(spell(last))
	_, size := utf8.DecodeRuneInString(first)
	var local string
	switch s.Weighted(45, 20, 12, 12, 6, 5) {
	case 0:
		local = first + "." + last
	case 1:
		local = first + "." + last + strconv.Itoa(50+s.IntN(50))
	case 2:
		local = first[:size] + "." + last
	case 3:
		local = first + last
	case 4:
		local = last + "." + first
	default:
		local = first + "_" + last
	}
	domain := pick(s, domains)
	email := local + "@" + domain
	for {
		if _, used := taken[email]; !used {
			taken[email] = struct{}{}
			return email
		}
		email = local + strconv.Itoa(2+s.IntN(998)) + "@" + domain
	}
}

// misspell writes an e-mail as customer files do: with the given probability in another case, with white space around
// it, or both, and with accents decomposed (NFD) in three accented ones out of ten. The result normalises to email,
// which is in normal form.
func misspell(s *stream, email string, probability float64) string {
	spelt := email
	if s.Chance(probability) {
		kind := s.Weighted(50, 30, 20)
		if kind != 1 {
			spelt = recase(s, spelt)
		}
		if kind != 0 {
			spelt = pad(s, spelt)
		}
	}
	if s.Chance(0.3) {
		spelt = norm.NFD.String(spelt)
	}
	if normalise(spelt) != email {
		return email // upper and lower case are not inverse for every letter: "ı" becomes "I", and that "i"
	}
	return spelt
}

// recase returns email all in capitals, with a capital after every dot, or in random case.
func recase(s *stream, email string) string {
	kind := s.IntN(3)
	start := true
	return strings.Map(func(r rune) rune {
		capital := kind == 0 || kind == 1 && start || kind == 2 && s.Chance(0.3)
		start = r == '.' || r == '_'
		if capital {
			return unicode.ToUpper(r)
		}
		return r
	}, email)
}

// pad puts white space before, after or around email: mostly blanks, at times a tab or a no-break space.
func pad(s *stream, email string) string {
	const noBreak = "\u00a0"
	space := []string{" ", " ", " ", "  ", "   ", "\t", noBreak}
	switch s.IntN(4) {
	case 0:
		return pick(s, space) + email
	case 1:
		return pick(s, space) + email + pick(s, space)
	default:
		return email + pick(s, space)
	}
}

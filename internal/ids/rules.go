package ids

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Rule says what the mail servers of one domain ignore in the local part of an address, where that makes one mailbox of
// many spellings. Only the domain itself knows (RFC 5321, section 2.3.11), so there is no rule unless members agree on it.
// Other names of a domain (googlemail.com for gmail.com) stay other domains.
type Rule struct {
	Domain string // as it stands in a normalised address: composed (NFC), in lower case
	// Dots in the local part are dropped: "j.o.n@gmail.com" is "jon@gmail.com". (Gmail Help, "Dots don't matter in Gmail
	// addresses", support.google.com/mail/answer/7436150.)
	Dots bool
	// Tags are dropped: the first "+" of the local part and what follows it, so "jon+news@gmail.com" is "jon@gmail.com".
	// (RFC 5233, "Subaddress Extension", calls them detail; the separator is the server's choice, and this is the usual one.)
	Tags bool
}

// Rules are the rules of several domains. They do not change, and nil stands for none.
type Rules struct{ byDomain map[string]Rule }

// NewRules returns the rules, nil if there are none. It refuses a domain that no normalised address has, a rule that ignores
// nothing, and a second rule for a domain.
func NewRules(rules ...Rule) (*Rules, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	byDomain := make(map[string]Rule, len(rules))
	for _, rule := range rules {
		if err := rule.check(); err != nil {
			return nil, err
		}
		if _, taken := byDomain[rule.Domain]; taken {
			return nil, fmt.Errorf("domain %.80q: named twice", rule.Domain)
		}
		byDomain[rule.Domain] = rule
	}
	return &Rules{byDomain}, nil
}

func (r Rule) check() error {
	normal, ok := Normalizer{Type: Email}.Normalize("x@" + r.Domain)
	switch {
	case !ok:
		return fmt.Errorf("domain %.80q: must be what follows the @ of an address", r.Domain)
	case normal != "x@"+r.Domain:
		return fmt.Errorf("domain %.80q: must be written as in a normalised address, %q", r.Domain, strings.TrimPrefix(normal, "x@"))
	case !r.Dots && !r.Tags:
		return fmt.Errorf("domain %.80q: nothing to ignore, must be dots, tags or both", r.Domain)
	}
	return nil
}

// reduce drops what is ignored from the normalised address at the end of out, from start on. An address of which no local
// part is left is nobody.
func (r *Rules) reduce(out []byte, start int) ([]byte, bool) {
	at := start + bytes.IndexByte(out[start:], '@')
	rule, ok := r.byDomain[string(out[at+1:])]
	if !ok {
		return out, true
	}
	end, ascii := start, true
	for _, c := range out[start:at] {
		if rule.Tags && c == '+' {
			break
		}
		if rule.Dots && c == '.' {
			continue
		}
		out[end] = c
		end++
		ascii = ascii && c < utf8.RuneSelf
	}
	if end == start {
		return nil, false
	}
	if !ascii { // a letter and an accent may have had a dot between them
		return append(out[:start], norm.NFC.String(string(out[start:end])+string(out[at:]))...), true
	}
	return append(out[:end], out[at:]...), true
}

package agreement_test

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
)

// celWords are the words that CEL reserves: RESERVED, literals and operators of its language definition. Package query
// tests that these, and no others, can't name a party in an audience.
var celWords = strings.Fields(`as break const continue else false for function if import in let loop namespace null package
	return true var void while`)

// A party that bears a reserved word of CEL could never be asked about: an audience such as "in.member" does not parse.
// Whoever writes the agreement learns it then and there. Analysts are not named in audiences and may be called anything.
func TestPartiesAreNotNamedByReservedWords(t *testing.T) {
	for _, word := range celWords {
		_, err := agreement.Parse([]byte(strings.Replace(golden, "name: bank", "name: '"+word+"'", 1)))
		if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), `("`+word+`"): the name is a reserved word of CEL`) {
			t.Errorf("party %q: error is %v, want fault.Invalid with the reason", word, err)
		}
		if _, err := agreement.Parse([]byte(strings.Replace(golden, "name: marketing", "name: '"+word+"'", 1))); err != nil {
			t.Errorf("analyst %q: %v", word, err)
		}
		if _, err := agreement.Parse([]byte(strings.Replace(golden, "name: bank", "name: "+word+"_", 1))); err != nil {
			t.Errorf("party %q: %v", word+"_", err)
		}
	}
}

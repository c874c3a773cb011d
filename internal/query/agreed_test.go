package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards answers that could only be 0: parties can be compared if, pair by pair, somebody can have the same id at both. Where
// identifiers are agreed, each party says which of them it has, in their order, and nothing else.
func TestAgreedIdentifiers(t *testing.T) {
	a := agreed()
	a.Identifiers = []agreement.Identifier{{Type: ids.Phone}, {Type: ids.Email, Ignore: agreement.Ignored{{Domain: "gmail.com", Dots: true}}}}
	for _, c := range []struct {
		have string // of a, b, …
		kind fault.Kind
		want string
	}{
		{"phone phone", "", ""},
		{"phone,email phone,email", "", ""},
		{"phone,email email", "", ""},
		{"phone phone,email phone", "", ""},
		{"phone email", fault.Unsupported, "a identifies customers by phone and b by email: they can't be compared"},
		{"phone phone,email email", fault.Unsupported, "a identifies customers by phone and c by email: they can't be compared"},
		{"phone,email opaque", fault.Invalid, `b identifies customers by "opaque": must be some of the agreed ["phone" "email"]`},
		{"phone,email phone email", fault.Unsupported, "b identifies customers by phone and c by email: they can't be compared"},
		{"phone,email email,phone", fault.Invalid, `b identifies customers by "email,phone": must be some of the agreed`},
		{"phone,phone phone", fault.Invalid, `a identifies customers by "phone,phone": must be some of`},
		{"phone, phone", fault.Invalid, `a identifies customers by "phone,": must be some of`},
		{"phone phone,email,opaque", fault.Invalid, `b identifies customers by "phone,email,opaque": must be some of`},
	} {
		have := strings.Split(c.have, " ")
		q := question(make([]int64, len(have))...)
		q.Agreement = a.Hash()
		for i := range q.Participants {
			q.Participants[i].IdentityType, q.Participants[i].CustomersUpTo = have[i], 1000
		}
		checkIdentities(t, c.have, q.Check(a, now), c.kind, c.want)
		q.Measure = query.Total // compares nobody
		if c.kind == fault.Unsupported {
			c.kind = ""
		}
		checkIdentities(t, "total of "+c.have, q.Check(a, now), c.kind, c.want)
	}
	q := question(1000, 1000)
	q.Agreement = a.Hash()
	q.Participants[0].IdentityType, q.Participants[1].IdentityType = "phone", ""
	checkIdentities(t, "none", q.Check(a, now), fault.Invalid, `b identifies customers by ""`)
}

func checkIdentities(t *testing.T, what string, err error, kind fault.Kind, want string) {
	t.Helper()
	if kind == "" && err != nil || kind != "" && (!fault.IsKind(err, kind) || !strings.Contains(fmt.Sprint(err), want)) {
		t.Errorf("%s: error is %v, want %q with %q", what, err, kind, want)
	}
}

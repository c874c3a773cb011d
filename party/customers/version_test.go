package customers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// The version tells apart any two snapshots that say different things, and only those.
func TestVersion(t *testing.T) {
	const content = "id,x,y\n1,a,b\n2,b,a\n"
	declare := func(content string) *config.Party {
		p := partyOf(t, content)
		p.Segments["s"] = "x = 'a'"
		p.Dimensions["d"] = config.Dimension{SQL: "y", Values: []string{"a", "b"}}
		return p
	}
	first := mustLoad(t, declare(content)).Version
	if again := mustLoad(t, declare("id,x,y,z\n1,a,b,1\n2,b,a,2\n1,a,b,3\n")).Version; again != first {
		t.Error("a column that nobody uses and a repeated row changed the version")
	}
	for name, p := range map[string]*config.Party{
		"id":      declare("id,x,y\n1,a,b\n3,b,a\n"),
		"segment": declare("id,x,y\n1,a,b\n2,a,a\n"),
		"value":   declare("id,x,y\n1,a,b\n2,b,b\n"),
		"order":   declare("id,x,y\n2,b,a\n1,a,b\n"),
		"fewer":   declare("id,x,y\n1,a,b\n"),
	} {
		if mustLoad(t, p).Version == first {
			t.Errorf("%s: the version did not change", name)
		}
	}
	p := declare(content)
	p.Segments = map[string]string{"t": "x = 'a'"}
	if mustLoad(t, p).Version == first {
		t.Error("the version does not depend on the segment's name")
	}
	p = declare(content)
	p.Dimensions["d"] = config.Dimension{SQL: "y", Values: []string{"a", "b", "c"}}
	if mustLoad(t, p).Version == first {
		t.Error("the version does not depend on the declared values")
	}
}

// The version covers amounts and what they mean.
func TestVersionOfAmounts(t *testing.T) {
	const content = "id,x\n1,2\n2,3\n3,\n"
	m := config.Measure{SQL: "x", Clip: [2]float64{0, 500}}
	first := mustLoad(t, measured(t, content, m)).Version
	same := m
	same.Step = 1
	for name, p := range map[string]*config.Party{
		"again":                    measured(t, content, m),
		"the default step, spelt":  measured(t, content, same),
		"a difference below steps": measured(t, "id,x\n1,2.1\n2,3\n3,\n", m),
		"in two rows":              measured(t, "id,x\n1,1\n2,3\n3,\n1,1\n", m),
	} {
		if mustLoad(t, p).Version != first {
			t.Errorf("%s: the version changed", name)
		}
	}
	wide, fine, negative := m, m, m
	wide.Clip[1] = 501
	fine.Step = 0.5
	negative.Clip[0] = -1
	half := fine
	half.Clip[1] = 250
	without := partyOf(t, content)
	renamed := partyOf(t, content)
	renamed.Measures = map[string]config.Measure{"revenue": m}
	two := measured(t, content, m)
	two.Measures["revenue"] = m
	seen := map[[32]byte]string{first: "the first"}
	for name, p := range map[string]*config.Party{
		"another amount": measured(t, "id,x\n1,2\n2,4\n3,\n", m),
		"0 for none":     measured(t, "id,x\n1,2\n2,3\n3,0\n", m),
		"swapped":        measured(t, "id,x\n1,3\n2,2\n3,\n", m),
		"negative":       measured(t, "id,x\n1,-2\n2,3\n3,\n", negative),
		"low":            measured(t, content, negative),
		"high":           measured(t, content, wide),
		"step":           measured(t, content, fine),
		"half the step":  measured(t, "id,x\n1,1\n2,1.5\n3,\n", half), // as many steps of each amount and bound
		"no measure":     without,
		"name":           renamed,
		"two measures":   two,
	} {
		version := mustLoad(t, p).Version
		if other, taken := seen[version]; taken {
			t.Errorf("%s has the version of %s", name, other)
		}
		seen[version] = name
	}
}

// The version covers who consents to what, from when until when, until when rows may be used, and all ids.
func TestVersionOfConsents(t *testing.T) {
	const content = "id,phone,agreed,given,bought\n1,030 100001,true,2026-01-01 10:00:00,2026-01-01\n2,,false,2026-01-02,2026-01-02\n"
	declare := func(content string) *config.Party {
		p := partyOf(t, content)
		p.Identity = append(p.Identity, config.Identity{Column: "phone", Type: ids.Phone, Country: "DE"})
		p.Purposes = map[string]config.Purpose{"planning": {Consent: "agreed", Given: "given", ValidFor: config.Period{Years: 1}}}
		p.Retention = config.Retention{Since: "bought", KeepFor: config.Period{Years: 1}}
		return p
	}
	change := func(p *config.Party, u config.Purpose) *config.Party {
		p.Purposes = map[string]config.Purpose{"planning": u}
		return p
	}
	renamed, unlimited, single, two := declare(content), declare(content), declare(content), declare(content)
	renamed.Purposes = map[string]config.Purpose{"marketing": renamed.Purposes["planning"]}
	unlimited.Retention = config.Retention{}
	single.Identity = single.Identity[:1]
	two.Purposes["marketing"] = config.Purpose{Consent: "false"}
	seen := map[[32]byte]string{}
	for name, p := range map[string]*config.Party{
		"as it is":      declare(content),
		"agreed":        declare(strings.Replace(content, "false", "true", 1)),
		"given":         declare(strings.Replace(content, "10:00:00", "10:00:01", 1)),
		"bought":        declare(strings.Replace(content, ",2026-01-01\n", ",2025-12-31\n", 1)),
		"phone":         declare(strings.Replace(content, "100001", "100002", 1)),
		"one more":      declare(content + "1,030 100003,true,2026-01-01 10:00:00,2026-01-01\n"),
		"valid for":     change(declare(content), config.Purpose{Consent: "agreed", Given: "given", ValidFor: config.Period{Years: 2}}),
		"without end":   change(declare(content), config.Purpose{Consent: "agreed", Given: "given"}),
		"without dates": change(declare(content), config.Purpose{Consent: "agreed"}),
		"renamed":       renamed, "unlimited": unlimited, "one id": single, "two purposes": two,
	} {
		s, err := customers.Load(context.Background(), p, agreed(ids.Opaque, ids.Phone))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := seen[s.Version]; taken {
			t.Errorf("%s has the version of %s", name, other)
		}
		seen[s.Version] = name
	}
	// The SQL itself is not in it, nor the ground in words.
	s, err := customers.Load(context.Background(), change(declare(content), config.Purpose{Consent: "agreed = true", Given: "given", ValidFor: config.Period{Months: 12}, Basis: "contract"}), agreed(ids.Opaque, ids.Phone))
	if err != nil || seen[s.Version] != "as it is" {
		t.Errorf("the same, said otherwise, has another version (%v)", err)
	}
}

package agreement_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
)

// key returns a stand-in for the n-th key, n > 1.
func key(n byte) identity.PublicKey {
	k := identity.PublicKey{31: 0x11}
	k[0] = n
	return k
}

var golden = fmt.Sprintf(`# comments and order do not matter
collaboration: loyalty
coordinator: {address: "coordinator.example:7400", key: %q}
parties:
  - {name: shop, address: "[2001:db8::1]:7402", key: %q}
  - {name: bank, address: "bank.example:7401", key: %q}
analysts:
  - {name: marketing, key: %q}
purposes: [planning, measuring success]
limits: {epsilon_per_query: 1, epsilon_total: 10.5}
`, key(2), key(4), key(3), key(5))

// identified is golden with agreed identifiers.
var identified = golden + `identifiers:
  - {type: phone}
  - {type: email, ignore: {outlook.com: [tags], gmail.com: [tags, dots]}}
  - type: opaque
`

// matched is golden with the matched layout, and the most that a matching may cost.
var matched = golden + `layouts: [matched, hashed]
matching: {epsilon: 1, delta: 1e-6}
`

// scheduled is golden with matchings by schedule.
var scheduled = golden + `layouts: [matched]
matching: {epsilon: 0.1, delta: 1e-9, every: 720h}
`

func parse(t *testing.T, text string) *agreement.Agreement {
	t.Helper()
	a, err := agreement.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What a file says is what is read, what it leaves out has the documented defaults, and its hash never changes: signed
// questions and every node's copy depend on it. (It changed once for all agreements, when the encoding got the field
// Matching.Every at its end: there are no optional fields, so that those without a schedule have 8 zero bytes there.)
func TestGoldenAgreement(t *testing.T) {
	got := parse(t, golden)
	want := &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "coordinator.example:7400", Key: key(2)},
		Parties: []agreement.Party{
			{Name: "bank", Address: "bank.example:7401", Key: key(3)},
			{Name: "shop", Address: "[2001:db8::1]:7402", Key: key(4)},
		},
		Analysts: []agreement.Analyst{{Name: "marketing", Key: key(5)}},
		Purposes: []string{"measuring success", "planning"},
		Limits: agreement.Limits{
			EpsilonPerQuery: 1_000_000, EpsilonTotal: 10_500_000, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5,
		},
		Noise:   agreement.NoiseEveryone,
		Layouts: []string{agreement.LayoutHashed},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	const wantHash = "a2ac7cc68a35df99ac78eb2029ccf8683d018f9782ef160da3e2958d47026c43"
	if hash := got.Hash(); hex.EncodeToString(hash[:]) != wantHash {
		t.Errorf("hash is %x, want %s", hash, wantHash)
	}

	got = parse(t, identified)
	want.Identifiers = []agreement.Identifier{
		{Type: ids.Phone},
		{Type: ids.Email, Ignore: agreement.Ignored{{Domain: "gmail.com", Dots: true, Tags: true}, {Domain: "outlook.com", Tags: true}}},
		{Type: ids.Opaque},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with identifiers: got %+v, want %+v", got, want)
	}
	const wantIdentified = "95fa4dc660e07a678dbbfb8e9534d60d1d6361cf86a2f45b35092c37e874cb52"
	if hash := got.Hash(); hex.EncodeToString(hash[:]) != wantIdentified {
		t.Errorf("with identifiers the hash is %x, want %s", hash, wantIdentified)
	}

	got = parse(t, matched)
	want.Identifiers, want.Layouts = nil, []string{agreement.LayoutHashed, agreement.LayoutMatched}
	want.Matching = agreement.Matching{Epsilon: 1_000_000, Delta: 1e-6}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with the matched layout: got %+v, want %+v", got, want)
	}
	const wantMatched = "9895b2a74fd022f9d8666d7888eab5e2cb901fda4dee61448dbf020800158ccf"
	if hash := got.Hash(); hex.EncodeToString(hash[:]) != wantMatched {
		t.Errorf("with the matched layout the hash is %x, want %s", hash, wantMatched)
	}

	got = parse(t, scheduled)
	want.Layouts = []string{agreement.LayoutMatched}
	want.Matching = agreement.Matching{Epsilon: 100_000, Delta: 1e-9, Every: 30 * 24 * time.Hour}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with a schedule: got %+v, want %+v", got, want)
	}
	const wantScheduled = "dd8ce0b4957e087c4eb8b4e7c0a47e193491e52dbe31cce3566ce8bd8fcbab86"
	if hash := got.Hash(); hex.EncodeToString(hash[:]) != wantScheduled {
		t.Errorf("with a schedule the hash is %x, want %s", hash, wantScheduled)
	}
}

// The hash is over what was agreed, not how it is written; everything that was agreed changes it.
func TestHashIsOfTheMeaning(t *testing.T) {
	base := parse(t, identified).Hash()
	for name, replace := range map[string][2]string{
		"comment":          {"# comments", "# other comments"},
		"defaults spelled": {"10.5}", "1.05e1, delta_per_query: 0.000001}\nnoise: everyone\nlayouts:\n- hashed"},
		"order":            {"collaboration: loyalty", ""},
		"purposes' order":  {"[planning, measuring success]", "\n- measuring success\n- planning"},
		"domains' order":   {"outlook.com: [tags], gmail.com: [tags, dots]", "gmail.com: [dots, tags], outlook.com: [tags]"},
	} {
		text := strings.Replace(identified, replace[0], replace[1], 1)
		if name == "order" {
			text += "collaboration: loyalty\n"
		}
		if parse(t, text).Hash() != base {
			t.Errorf("%s changed the hash", name)
		}
	}
	seen := map[[32]byte]string{base: "nothing"}
	for name, replace := range map[string][2]string{
		"collaboration":     {"loyalty", "loyalty2"},
		"coordinator host":  {"coordinator.example", "coordinator.example2"},
		"coordinator key":   {key(2).String(), key(9).String()},
		"party name":        {"name: bank", "name: banc"},
		"party address":     {":7401", ":7409"},
		"party key":         {key(3).String(), key(9).String()},
		"analyst name":      {"marketing", "marketing2"},
		"analyst key":       {key(5).String(), key(9).String()},
		"epsilon_per_query": {"epsilon_per_query: 1", "epsilon_per_query: 1.000001"},
		"epsilon_total":     {"10.5", "10.500001"},
		"delta_per_query":   {"10.5", "10.5, delta_per_query: 2e-6, delta_total: 1e-5"},
		"delta_total":       {"10.5", "10.5, delta_total: 2e-5"},
		"organisation":      {"{name: marketing,", "{name: marketing, organisation: agency,"},
		"noise":             {"limits", "noise: coordinator\nlimits"},
		"purpose":           {"planning,", "profiling,"},
		"one purpose less":  {"planning, ", ""},
		"purposes joined":   {"planning, measuring success", "'planning, measuring success'"},
		"identifiers":       {identified[len(golden):], ""},
		"their order":       {identified[len(golden):], "identifiers:\n  - type: opaque\n  - {type: email, ignore: {outlook.com: [tags], gmail.com: [tags, dots]}}\n  - {type: phone}\n"},
		"one type less":     {"  - {type: phone}\n", ""},
		"nothing ignored":   {", ignore: {outlook.com: [tags], gmail.com: [tags, dots]}", ""},
		"one domain less":   {"outlook.com: [tags], ", ""},
		"another domain":    {"outlook.com", "outlook.example"},
		"no dots":           {"[tags, dots]", "[tags]"},
		"no tags":           {"[tags, dots]", "[dots]"},
		"dots for tags":     {"outlook.com: [tags]", "outlook.com: [dots]"},
	} {
		hash := parse(t, strings.Replace(identified, replace[0], replace[1], 1)).Hash()
		if other, same := seen[hash]; same {
			t.Errorf("%s gives the same hash as %s", name, other)
		}
		seen[hash] = name
	}
	// The same of what a matching may cost.
	base = parse(t, matched).Hash()
	if seen[base] != "" { // that of "identifiers" is of golden
		t.Errorf("the matched layout gives the same hash as %s", seen[base])
	}
	if parse(t, strings.Replace(matched, "[matched, hashed]", "[hashed, matched]", 1)).Hash() != base {
		t.Error("the order of layouts changed the hash")
	}
	for name, replace := range map[string][2]string{
		"one layout less":     {"[matched, hashed]", "[matched]"},
		"epsilon of matching": {"epsilon: 1,", "epsilon: 0.999999,"},
		"delta of matching":   {"1e-6", "9e-7"},
		"every month":         {"1e-6", "1e-6, every: 720h"},
		"every hour":          {"1e-6", "1e-6, every: 1h"},
	} {
		text := strings.Replace(matched[len(golden):], replace[0], replace[1], 1)
		if hash := parse(t, golden+text).Hash(); hash == base || seen[hash] != "" {
			t.Errorf("%s gives the same hash as nothing, or %q", name, seen[hash])
		} else {
			seen[hash] = name
		}
	}
	base = parse(t, identified).Hash()
	a := parse(t, identified)
	a.Parties[0], a.Parties[1] = a.Parties[1], a.Parties[0]
	slices.Reverse(a.Purposes)
	slices.Reverse(a.Identifiers[1].Ignore)
	if a.Hash() != base || a.Parties[0].Name != "shop" || a.Purposes[0] != "planning" || a.Identifiers[1].Ignore[0].Domain != "outlook.com" {
		t.Error("the order of parties, purposes or domains changed the hash, or hashing changed the order")
	}
}

// Lookups find the right member by name or key, and nobody for a stranger's.
func TestLookups(t *testing.T) {
	a := parse(t, golden)
	bank, ok := a.Party("bank")
	byKey, also := a.PartyByKey(key(3))
	if !ok || !also || bank != byKey || bank.Key != key(3) {
		t.Errorf("bank is %v and %v", bank, byKey)
	}
	analyst, ok := a.Analyst("marketing")
	analystByKey, also := a.AnalystByKey(key(5))
	if !ok || !also || analyst != analystByKey || analyst.Key != key(5) {
		t.Errorf("marketing is %v and %v", analyst, analystByKey)
	}
	for n, want := range map[byte]string{2: "coordinator", 3: "bank", 4: "shop", 5: "marketing", 6: ""} {
		name, ok := a.NameOf(key(n))
		if name != want || ok != (want != "") || a.IsMember(key(n)) != ok || a.IsCoordinator(key(n)) != (n == 2) {
			t.Errorf("key %d is of %q (%v), want %q", n, name, ok, want)
		}
	}
	for name, want := range map[string]byte{"coordinator": 2, "bank": 3, "shop": 4} {
		if holder, ok := a.KeyHolder(name); !ok || holder != (agreement.KeyHolder{Name: name, Key: key(want)}) {
			t.Errorf("key-holder %s is %v (%v)", name, holder, ok)
		}
	}
	for _, name := range []string{"", "marketing", "nobody"} {
		_, party := a.Party(name)
		_, holder := a.KeyHolder(name)
		if party || holder {
			t.Errorf("%q is a party", name)
		}
	}
	if _, ok := a.Analyst("bank"); ok {
		t.Error("a party is an analyst")
	}
	if _, ok := a.AnalystByKey(identity.PublicKey{}); ok || a.IsMember(identity.PublicKey{}) {
		t.Error("the zero key is a member's")
	}
}

// Whose budget an analyst's questions are on: their organisation's, or their own.
func TestOrganisations(t *testing.T) {
	for text, want := range map[string]string{
		golden: "marketing",
		strings.Replace(golden, "{name: marketing,", "{name: marketing, organisation: agency,", 1): "agency",
		strings.Replace(golden, "{name: marketing,", "{name: marketing, organisation: bank,", 1):   "bank", // a party's own analysts
	} {
		if a, ok := parse(t, text).Analyst("marketing"); !ok || a.Budget() != want {
			t.Errorf("%+v asks on the account of %q, want %q", a, a.Budget(), want)
		}
	}
}

// The δ of all questions together is, where the file does not say, 10⁻⁵, or ten times that of one question if that is more;
// never less than that of one question, and below 1.
func TestDefaultDeltaTotal(t *testing.T) {
	for per, want := range map[string]float64{"1e-9": 1e-5, "1e-6": 1e-5, "2e-6": 2e-5, "0.04": 0.4, "0.2": 0.5, "0.7": 0.7, "0.999": 0.999} {
		a := parse(t, strings.Replace(golden, "10.5}", "10.5, delta_per_query: "+per+"}", 1))
		if got := a.Limits.DeltaTotal; math.Abs(got/want-1) > 1e-12 {
			t.Errorf("delta_per_query %s: delta_total is %v, want %v", per, got, want)
		}
	}
}

// What Write stores, Load reads back with the same hash; a wrong agreement is not stored, and a stored one is not damaged.
func TestWriteAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agreement.yaml")
	rapid.Check(t, func(t *rapid.T) {
		a := drawAgreement(t)
		if err := a.Write(path); err != nil {
			t.Fatal(err)
		}
		back, err := agreement.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if back.Hash() != a.Hash() {
			t.Fatalf("wrote %+v, read %+v", a, back)
		}
	})
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := new(agreement.Agreement).Write(path); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("error is %v, want fault.Invalid", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("the stored agreement changed (%v)", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files, want 1 (%v)", len(entries), err)
	}
	if _, err := agreement.Load(path + "x"); !fault.IsKind(err, fault.NotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want fault.NotFound", err)
	}
}

func drawAgreement(t *rapid.T) *agreement.Agreement {
	name := rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`).
		Filter(func(s string) bool { return s != "coordinator" && !slices.Contains(celWords, s) })
	purpose := rapid.StringN(1, 50, agreement.MaxPurposeBytes).Filter(func(s string) bool {
		return s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	})
	names := rapid.SliceOfNDistinct(name, 3, 10, rapid.ID).Draw(t, "names")
	per := rapid.Int64Range(1, 20_000_000).Draw(t, "epsilon_per_query")
	a := &agreement.Agreement{
		Collaboration: name.Draw(t, "collaboration"),
		Coordinator:   agreement.Coordinator{Address: "c:1", Key: key(2)},
		Limits: agreement.Limits{
			EpsilonPerQuery: agreement.MicroEpsilon(per),
			EpsilonTotal:    agreement.MicroEpsilon(rapid.Int64Range(per, 1_000_000_000_000).Draw(t, "epsilon_total")),
			DeltaPerQuery:   rapid.Float64Range(math.SmallestNonzeroFloat64, 0.5).Draw(t, "delta"),
			DeltaTotal:      rapid.Float64Range(0.5, 0.999).Draw(t, "delta_total"),
		},
		Purposes: rapid.SliceOfNDistinct(purpose, 1, agreement.MaxPurposes, rapid.ID).Draw(t, "purposes"),
		Noise:    rapid.SampledFrom([]agreement.Noise{agreement.NoiseEveryone, agreement.NoiseCoordinator}).Draw(t, "noise"),
		Layouts:  []string{agreement.LayoutHashed},
	}
	if rapid.Bool().Draw(t, "matched") {
		names = names[:min(len(names), match.MaxParties)]
		a.Layouts = rapid.SampledFrom([][]string{{"matched"}, {"matched", "hashed"}, {"hashed", "matched"}}).Draw(t, "layouts")
		a.Matching.Epsilon = agreement.MicroEpsilon(rapid.Int64Range(10_000, 1_000_000).Draw(t, "epsilon of a matching"))
		a.Matching.Delta = rapid.Float64Range(1e-18, 1e-6).Draw(t, "delta of a matching")
		a.Limits.EpsilonTotal = max(a.Limits.EpsilonTotal, match.MaxParties*a.Matching.Epsilon)
		if rapid.Bool().Draw(t, "scheduled") {
			a.Matching.Every = time.Duration(rapid.Int64Range(int64(agreement.MinMatchingEvery), int64(agreement.MaxMatchingEvery)).Draw(t, "every"))
		}
	}
	domain := rapid.SampledFrom([]string{"gmail.com", "bücher.example", "true", "1.5", "~", "a:b", "<<", "#", "'\"", "{a:b}"})
	for _, i := range rapid.SliceOfNDistinct(rapid.SampledFrom([]ids.Type{ids.Email, ids.Phone, ids.Opaque}), 0, 3, rapid.ID).Draw(t, "types") {
		identifier := agreement.Identifier{Type: i}
		if i == ids.Email {
			for _, d := range rapid.SliceOfNDistinct(domain, 0, 4, rapid.ID).Draw(t, "domains") {
				dots := rapid.Bool().Draw(t, "dots")
				identifier.Ignore = append(identifier.Ignore, ids.Rule{Domain: d, Dots: dots, Tags: !dots || rapid.Bool().Draw(t, "tags")})
			}
		}
		a.Identifiers = append(a.Identifiers, identifier)
	}
	analysts := rapid.IntRange(0, len(names)-2).Draw(t, "analysts")
	for i, name := range names {
		if i < analysts {
			a.Analysts = append(a.Analysts, agreement.Analyst{Name: name, Key: key(byte(10 + i)), Organisation: []string{"", "agency"}[i%2]})
		} else {
			a.Parties = append(a.Parties, agreement.Party{Name: name, Address: "10.0.0.1:7401", Key: key(byte(10 + i))})
		}
	}
	return a
}

// Hostile YAML neither crashes the reader nor gets past the checks, and what is accepted is in its one order.
func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(identified))
	f.Add([]byte(matched))
	f.Add([]byte(scheduled))
	f.Add([]byte("limits: &a [*a]"))
	f.Add([]byte("coordinator: {<<: {address: 'x:1'}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := agreement.Parse(text)
		if err != nil {
			if !fault.IsKind(err, fault.Invalid) {
				t.Fatalf("error is %v, want fault.Invalid", err)
			}
			return
		}
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		byName := func(x, y agreement.Party) int { return strings.Compare(x.Name, y.Name) }
		if !slices.IsSortedFunc(a.Parties, byName) {
			t.Fatalf("parties are in the order %v", a.Parties)
		}
		if hash := a.Hash(); hash == [32]byte{} {
			t.Fatal("no hash")
		}
	})
}

// Guards matchings, which are dear: an agreement that changes in what slots do not depend on leaves them in use. Where it changes in
// what they do depend on, they are another collaboration's.
func TestBasis(t *testing.T) {
	basis := parse(t, identified).Basis()
	for name, c := range map[string]struct {
		change func(a *agreement.Agreement)
		same   bool
	}{
		"addresses":       {func(a *agreement.Agreement) { a.Parties[0].Address = "elsewhere.example:1" }, true},
		"coordinator":     {func(a *agreement.Agreement) { a.Coordinator.Key = key(9) }, true},
		"analysts":        {func(a *agreement.Agreement) { a.Analysts = nil }, true},
		"purposes":        {func(a *agreement.Agreement) { a.Purposes = []string{"another"} }, true},
		"limits":          {func(a *agreement.Agreement) { a.Limits.EpsilonTotal++ }, true},
		"order":           {func(a *agreement.Agreement) { slices.Reverse(a.Parties) }, true},
		"collaboration":   {func(a *agreement.Agreement) { a.Collaboration = "another" }, false},
		"name":            {func(a *agreement.Agreement) { a.Parties[0].Name = "another" }, false},
		"key":             {func(a *agreement.Agreement) { a.Parties[0].Key = key(9) }, false},
		"another party":   {func(a *agreement.Agreement) { a.Parties = append(a.Parties, agreement.Party{Name: "gym", Key: key(9)}) }, false},
		"identifiers":     {func(a *agreement.Agreement) { a.Identifiers = a.Identifiers[:1] }, false},
		"their order":     {func(a *agreement.Agreement) { slices.Reverse(a.Identifiers) }, false},
		"what is ignored": {func(a *agreement.Agreement) { a.Identifiers[1].Ignore = nil }, false},
	} {
		a := parse(t, identified)
		c.change(a)
		if same := a.Basis() == basis; same != c.same {
			t.Errorf("%s: the basis stays the same: %t, want %t", name, same, c.same)
		}
	}
}

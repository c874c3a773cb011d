package query_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/query"
)

// mutations calls visit once for every single change of every field that a value has, however deep: another number, a
// longer text, an element more or less; and puts the value back each time.
func mutations(v reflect.Value, path string, visit func(path string)) {
	original := reflect.New(v.Type()).Elem()
	original.Set(v)
	try := func(changed reflect.Value, what string) {
		v.Set(changed)
		visit(path + what)
		v.Set(original)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			mutations(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		for _, i := range []int{0, v.Len() - 1} {
			v.Index(i).SetUint(v.Index(i).Uint() ^ 1)
			visit(fmt.Sprintf("%s[%d]", path, i))
			v.Set(original)
		}
	case reflect.Slice:
		try(reflect.Append(original.Slice3(0, v.Len(), v.Len()), reflect.Zero(v.Type().Elem())), "+1")
		if v.Len() > 0 {
			try(original.Slice(0, v.Len()-1), "-1")
		}
		for i := range v.Len() {
			mutations(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.String:
		try(reflect.ValueOf(v.String()+"x").Convert(v.Type()), "")
	case reflect.Float64:
		try(reflect.ValueOf(math.Nextafter(v.Float(), 1)), "")
	case reflect.Int64:
		try(reflect.ValueOf(v.Int()+1), "")
	case reflect.Uint8:
		try(reflect.ValueOf(uint8(v.Uint()^1)), "")
	default:
		panic("a field of a type that the test does not know: " + v.Type().String())
	}
}

// Guards against a swap: whatever of a question is changed, it is another question, with another identifier and another
// transcript, so that no signature, commitment or sealed answer of the one passes for the other. What moves from one
// field to the next is a change too.
func TestEveryFieldIsBound(t *testing.T) {
	q := by(by(of(question(1000, 2000, 3000), query.Sum, "b.spend", -7, 20), "b.age", 3), "c.tier", 2)
	plan, err := query.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	session := [16]byte{1}
	seen := map[[32]byte]string{q.ID(): "nothing", plan.Transcript(session): "nothing"}
	count := 0
	check := func(path string) {
		count++
		changed := *plan
		changed.Query = q
		for _, hash := range [][32]byte{q.ID(), changed.Transcript(session)} {
			if other, ok := seen[hash]; ok {
				t.Errorf("changing %s gives the same hash as changing %s", path, other)
			}
			seen[hash] = path
		}
		var decoded query.Query
		if err := canon.Decode(q.Domain(), q.Encode(), &decoded); err != nil || decoded.ID() != q.ID() {
			t.Errorf("changing %s: the bytes do not come back (%v)", path, err)
		}
	}
	mutations(reflect.ValueOf(q).Elem(), "Query", check)
	if fields := reflect.TypeFor[query.Query]().NumField() + reflect.TypeFor[query.Amount]().NumField() +
		3*reflect.TypeFor[query.Participant]().NumField(); count < fields {
		t.Errorf("%d changes for %d fields", count, fields)
	}
	q.Analyst, q.Purpose = "marketingp", "lanning"
	check("the border of Analyst and Purpose")
	q.Analyst, q.Purpose = "marketing", "planning"
	if q.ID() != plan.Query.ID() || len(q.HexID()) != 64 {
		t.Error("the test did not put the question back")
	}

	// The session, the key-holders and the parameters are in the transcript beside the question.
	for name, change := range map[string]func(p *query.Plan) [16]byte{
		"session":     func(*query.Plan) [16]byte { return [16]byte{2} },
		"key-holders": func(p *query.Plan) [16]byte { p.KeyHolders = p.KeyHolders[1:]; return session },
		"order":       func(p *query.Plan) [16]byte { p.KeyHolders = []string{"b", "a", "c", "coordinator"}; return session },
		"modulus":     func(p *query.Plan) [16]byte { p.Params.T++; return session },
		"ring":        func(p *query.Plan) [16]byte { p.Params.LogN++; return session },
		"primes":      func(p *query.Plan) [16]byte { p.Params.Q = p.Params.Q[1:]; return session },
	} {
		changed := *plan
		if id := change(&changed); changed.Transcript(id) == plan.Transcript(session) {
			t.Errorf("another %s has the same transcript", name)
		}
	}
}

// Guards answers that are handed out again, and their price: a question has the content of another one if and only if it asks
// the same, of the same data, for the same analyst, at the same price; whoever seals it to which key, under which nonce and
// until when.
func TestContent(t *testing.T) {
	q := by(by(of(question(1000, 2000, 3000), query.Mean, "b.spend", -7, 20), "b.age", 3), "c.tier", 2)
	content := q.Content()
	free := map[string]bool{"Recipient": true, "Nonce": true, "Expires": true}
	seen := map[[32]byte]string{content: "nothing"}
	for i := range reflect.TypeFor[query.Query]().NumField() {
		field := reflect.TypeFor[query.Query]().Field(i).Name
		mutations(reflect.ValueOf(q).Elem().Field(i), field, func(path string) {
			got := q.Content()
			if free[field] {
				if got != content {
					t.Errorf("changing %s changes the content", path)
				}
				return
			}
			if other, ok := seen[got]; ok {
				t.Errorf("changing %s gives the same content as changing %s", path, other)
			}
			seen[got] = path
		})
	}
	again := *q
	again.Recipient, again.Nonce, again.Expires = []byte("another key"), [16]byte{9}, 5
	if again.Content() != content || again.ID() == q.ID() {
		t.Error("a question that is asked again has another content, or the same identifier")
	}
	if q.Content() != content || string(q.Recipient) != "a key" || q.Nonce != [16]byte{1} || content == q.ID() {
		t.Error("computing the content changed the question, or gives its identifier")
	}
}

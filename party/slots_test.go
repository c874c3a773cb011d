package party

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/matches"
	"github.com/sotto-dev/sotto/party/subjects"
)

// slot keeps the nth matching, as if it had just been made: with slot 10 of it for the first of some ids, 11 for the next, and so on.
func (w *world) slot(n byte, written ...string) matches.Matching {
	w.Helper()
	m := matches.Matching{
		ID: [32]byte{n}, Basis: w.Node.agreement.Basis(), Participants: []string{"bank", "shop"}, At: time.Unix(w.clock.Load(), 0).UTC(),
		Slots: 100, Spine: [32]byte{n, 1},
	}
	var people []ids.ID
	var slots []uint32
	for i, text := range written {
		for _, known := range w.matched() {
			if id, ok := known.Normalizer.ID(text); ok {
				people, slots = append(people, id), append(slots, uint32(10+i))
				break
			}
		}
	}
	w.changing.Lock()
	defer w.changing.Unlock()
	w.must(w.state.Matches.Keep(m, people, slots))
	w.must(w.rematched())
	return m
}

// slots shows the slots of those who may take part, as questions over each matching would see them.
func (w *world) slots() string {
	var matchings []string
	v := w.view()
	taking, _ := v.purpose("planning")
	for _, s := range v.slotted {
		var people []string
		for customer, id := range v.snapshot.IDs {
			if s.slots[customer] != layout.NoSlot && taking.has(customer) {
				people = append(people, fmt.Sprintf("%s%d", w.name(id), s.slots[customer]))
			}
		}
		slices.Sort(people)
		matchings = append(matchings, fmt.Sprintf("%d: %s", s.ID[0], strings.Join(people, " ")))
	}
	return strings.Join(matchings, "; ")
}

// Slots stay with the people whom they were given, in whatever order these are loaded. Whoever withdraws or is erased contributes
// nothing at once; whoever was erased and comes back, and whoever was added, has no slot before the next matching. It is so also
// after a restart, and questions see a new matching without one.
func TestSlotsFollowCustomers(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	check := func(what, want string, missing int64) {
		t.Helper()
		for range 2 {
			if got := w.slots(); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
			if got := (&owner{Node: w.Node}).status(); got.GetWithoutSlot() != missing {
				t.Errorf("%s: %d have no slot, want %d", what, got.GetWithoutSlot(), missing)
			}
			w.end()
			w.begin()
		}
	}
	refresh := func(csv string) {
		t.Helper()
		w.write("customers.csv", csv)
		_, err := w.Refresh(t.Context(), "owner")
		w.must(err)
	}
	check("at first", "", 0)
	w.slot(1, "a", "b", "c", "d", "e", "gone")
	w.wait(12 * time.Hour) // when consents begin and end
	check("matched", "1: a10 b11 c12 d13 e14", 1)
	w.hear(subjects.Withdraw, "", "b")
	check("b withdrew", "1: a10 c12 d13 e14", 1)
	w.hear(subjects.Erase, "", "a", "d")
	w.checkErased("a", "d")
	check("a and d were erased", "1: c12 e14", 1)
	w.slot(2, "f", "e", "c", "b")
	check("matched again", "2: c12 e11 f10; 1: c12 e14", 0)
	lines := strings.Split(strings.TrimSpace(shopCSV), "\n")
	slices.Reverse(lines[1:])
	refresh(strings.Join(lines, "\n") + "\ng,gold,north,1,no,,2026-02-01\n")
	check("in another order, and g", "2: c12 e11 f10; 1: c12 e14", 1)
	w.hear(subjects.Restore, "", "a", "b", "d")
	refresh(shopCSV)
	check("all are back", "2: b13 c12 e11 f10; 1: b11 c12 e14", 2)
}

// A refresh in which nobody was added or lost, and the look at a new matching, leave the tables that are known as they are.
func TestSlotsAreLookedUpOnce(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	w.slot(1, "a", "b")
	known := &w.view().slotted[0].slots[0]
	w.slot(2, "b")
	w.write("customers.csv", strings.ReplaceAll(shopCSV, "basic", "gold"))
	if changed, err := w.Refresh(t.Context(), "owner"); !changed || err != nil {
		t.Fatalf("changed: %v, error %v", changed, err)
	}
	if v := w.view(); len(v.slotted) != 2 || &v.slotted[1].slots[0] != known {
		t.Error("the first matching's slots were looked up again")
	}
}

// Matchings of other parties, or under another agreement, are not offered: their slots are other people's.
func TestOthersMatchings(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	m := w.slot(1, "a")
	for n, change := range map[byte]func(m *matches.Matching){
		2: func(m *matches.Matching) { m.Basis[5]++ },
		3: func(m *matches.Matching) { m.Participants = []string{"bank", "gym", "shop"} },
	} {
		other := m
		other.ID = [32]byte{n}
		change(&other)
		w.must(w.state.Matches.Keep(other, nil, nil))
	}
	w.end()
	w.begin()
	want := []protocol.Matched{{ID: m.ID, Spine: m.Spine, Slots: 100, At: start.Unix()}}
	if got := w.descriptor(w.view()).Matchings; !slices.Equal(got, want) {
		t.Errorf("declared are %+v, want %+v", got, want)
	}
}

// over makes a question one that is over a matching.
func over(q *query.Query, m matches.Matching) *query.Query {
	q.Layout, q.Precision, q.Spine, q.Slots = "matched", "", m.Spine, m.Slots
	return q
}

// A question names the slots that it is over. Over those of another version than the node has it is refused in words, and never
// answered wrongly; over an older one that the node still has it is answered.
func TestQuestionsNameTheirSlots(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	ask := func(what string, m matches.Matching, kind fault.Kind, words, hint string) {
		t.Helper()
		_, err := w.prepare(over(w.question("planning"), m), w.keys["ana"])
		if err == nil && kind == "" {
			return
		}
		if f := fault.From(err); f == nil || f.Kind != kind || f.Message != words || f.Hint != hint {
			t.Errorf("%s: error is %+v, want %s: %s (%s)", what, f, kind, words, hint)
		}
	}
	none := matches.Matching{Spine: [32]byte{1, 1}, Slots: 100}
	ask("without a matching", none, fault.Stale, "the question is over a matching, and shop has none under this agreement",
		"run sotto match, or ask in the hashed layout")
	first := w.slot(1, "a", "b")
	ask("over the first", first, "", "", "")
	second := w.slot(2, "a", "b")
	ask("over the second", second, "", "", "")
	ask("over the first, still", first, "", "", "")
	for what, change := range map[string]func(m *matches.Matching){
		"another spine": func(m *matches.Matching) { m.Spine[31]++ },
		"fewer slots":   func(m *matches.Matching) { m.Slots-- },
	} {
		m := second
		change(&m)
		ask(what, m, fault.Stale, "the question is over another matching than shop has", "fetch the catalog and ask again")
	}
	if _, err := w.prepare(w.question("planning"), w.keys["ana"]); err != nil {
		t.Errorf("in the hashed layout: %v", err)
	}
}

// A request that a crash has cut off is done at the next start: also for somebody who was matched and is no customer any more.
func TestUnmatchedAfterACrash(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	w.slot(1, "a", "h")
	gone, _ := w.matched()[0].Normalizer.ID("h")
	w.must(w.state.Subjects.Record(subjects.Request{Kind: subjects.Erase, At: w.now(), IDs: []ids.ID{gone}}))
	w.end()
	w.begin()
	w.checkErased("h")
	if got := w.slots(); got != "1: a10" {
		t.Errorf("slots are %s", got)
	}
}

// Who is known by an id that is also that of somebody erased has no slot until the next matching, whether the node was restarted
// since or not.
func TestSharedIDIsUnmatched(t *testing.T) {
	w := newWorld(t, accessYAML, accessCSV+",030 1000001,tea,ulm,1,no,2026-01-01,2026-01-10\n")
	w.slot(1, "anna@x.de", "+49301000001", "bert@x.de")
	if got := w.slots(); strings.Count(got, "1") < 3 {
		t.Fatalf("slots are %s", got)
	}
	w.hear(subjects.Erase, "", "anna@x.de")
	_, err := w.Refresh(t.Context(), "owner")
	w.must(err)
	for range 2 {
		if got := w.slots(); got != "1: bert@x.de12" {
			t.Errorf("slots are %s", got)
		}
		w.end()
		w.begin()
	}
}

// What is stored of slots goes with the declared retention, the newest matching too; before that all stay, for others may have no
// newer one in common. It is named, and on record.
func TestMatchingsArePurged(t *testing.T) {
	w := newWorld(t, shopYAML+"retention: {since: bought, keep_for: 36 months}\n", shopCSV)
	w.slot(1, "a")
	w.wait(24 * time.Hour)
	w.slot(2, "a")
	purge := func(after time.Duration, want ...string) {
		t.Helper()
		w.clock.Store(start.AddDate(3, 0, 0).Add(after).Unix())
		for _, dry := range []bool{true, false} {
			var names []string
			purged, err := w.Purge("owner", dry)
			w.must(err)
			for _, p := range purged {
				if strings.HasPrefix(p.What, "match-") {
					names = append(names, p.What[:8]+p.At.Format(" 02.01."))
				}
			}
			if !slices.Equal(names, want) {
				t.Errorf("after three years and %s, dry run %v: purged %q, want %q", after, dry, names, want)
			}
		}
	}
	purge(-time.Hour)
	purge(time.Hour, "match-01 01.03.")
	if got := w.slots(); got != "2: " && got != "2: a10" {
		t.Errorf("left are %q", got)
	}
	purge(25*time.Hour, "match-02 02.03.")
	if got := w.view().slotted; got != nil {
		t.Errorf("left are %+v", got)
	}
}

// Who was matched, was no customer when erased under an id that only the source connects with that one, and comes back, is in no
// matching from then on: also if that becomes known while the node is down, or a matching is kept meanwhile that has the person.
func TestErasedAreUnmatched(t *testing.T) {
	const others = "mail,phone,likes,town,spend,ads,since,bought\ncleo@x.de,,kvass,kiel,1,yes,2024-01-01,2026-01-12\n"
	connected := strings.Replace(accessCSV, "bert@x.de,030 1000002,rum,bonn,2345.5,no,2026-01-01,2026-01-11\n", "", 1)
	for _, down := range []bool{false, true} {
		w := newWorld(t, accessYAML, others)
		w.slot(1, "anna@x.de", "cleo@x.de")
		w.hear(subjects.Erase, "", "030 1000001")
		refresh := func() {
			t.Helper()
			if down {
				w.end()
				w.begin()
			} else {
				_, err := w.Refresh(t.Context(), "owner")
				w.must(err)
			}
		}
		w.write("customers.csv", connected)
		refresh()
		w.checkErased("anna@x.de", "030 1000001")
		w.slot(2, "anna@x.de", "cleo@x.de")
		refresh()
		w.checkErased("anna@x.de", "030 1000001")
		if got := w.slots(); got != "2: cleo@x.de11; 1: cleo@x.de11" {
			t.Errorf("down %v: slots are %s", down, got)
		}
	}
}

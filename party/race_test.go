package party

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/subjects"
)

const (
	crowd   = 200 // customers: of the first fifth some withdraw and come back, of the second some are erased
	shuttle = crowd / 5
)

// word is what customers of the crowd have said, as far as the calls have returned: odd numbers say that one is out.
type word struct {
	mu   sync.Mutex
	said [crowd]int
}

// say counts on if that changes something.
func (w *word) say(customer int, out bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if (w.said[customer]%2 == 1) != out {
		w.said[customer]++
	}
}

func (w *word) now() [crowd]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said
}

// outSince are those who were out before and have not come back since.
func (w *word) outSince(before [crowd]int) (out [crowd]bool) {
	now := w.now()
	for customer := range out {
		out[customer] = before[customer]%2 == 1 && before[customer] == now[customer]
	}
	return out
}

func crowdCSV(tier string) string {
	var csv strings.Builder
	csv.WriteString("id,tier\n")
	for i := range crowd {
		fmt.Fprintf(&csv, "p%d,%s\n", i, tier)
	}
	return csv.String()
}

// Questions go on while people withdraw, come back and are erased, and while the customers are exchanged and what is old is
// destroyed. What each of them sees is of one piece; and once somebody has been told that they are out, they are in no view that
// is made after that, nor among those whom a question is over.
func TestEverythingAtOnce(t *testing.T) {
	w := newWorld(t, `name: shop
source: {csv: customers.csv}
identity: {column: id, type: opaque}
customers_up_to: 1000
segments: {gold: "tier = 'gold'"}
retention: {since: "DATE '2026-01-01'", keep_for: 36 months}
purposes: {planning: {consent: "true"}, ads: {consent: "true"}}
`, crowdCSV("gold"))
	rounds := 8
	if long {
		rounds = 60
	}
	normalizer := w.matched()[0].Normalizer
	numbers := map[ids.ID]int{}
	for i := range crowd {
		id, _ := normalizer.ID(fmt.Sprintf("p%d", i))
		numbers[id] = i
	}
	said := &word{}
	hear := func(kind subjects.Kind, purpose string, customer int) {
		if _, err := w.Hear("owner", kind, purpose, "", []string{fmt.Sprintf("p%d", customer)}, w.now()); err != nil {
			t.Error(err)
		}
	}
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for worker := range 2 { // each with people of its own
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		writers.Go(func() {
			for range 4 * rounds {
				customer := 2*random.IntN(shuttle/2) + worker
				hear(subjects.Withdraw, "planning", customer)
				said.say(customer, true)
				if random.IntN(3) > 0 {
					said.say(customer, false)
					hear(subjects.Restore, "planning", customer)
				}
			}
		})
	}
	writers.Go(func() {
		for i := range rounds {
			hear(subjects.Erase, "", shuttle+i%shuttle)
			said.say(shuttle+i%shuttle, true)
		}
	})
	writers.Go(func() {
		for i := range rounds {
			w.write("customers.csv", crowdCSV([]string{"basic", "gold"}[i%2]))
			if _, err := w.Refresh(t.Context(), "owner"); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Go(func() {
		for range 2 * rounds {
			if _, err := w.Purge("node", false); err != nil {
				t.Error(err)
			}
		}
	})
	var asked, stale atomic.Int64
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				before := said.now()
				v := w.view()
				checkView(t, v, numbers, said.outSince(before))
				switch _, err := w.prepare(w.question("planning"), w.keys["ana"]); {
				case err == nil:
					asked.Add(1)
				case fault.IsKind(err, fault.Stale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	readers.Go(func() {
		for !done.Load() {
			if _, err := w.Access("owner", fmt.Sprintf("p%d", 2*shuttle), "", w.now()); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Wait()
	done.Store(true)
	readers.Wait()
	checkView(t, w.view(), numbers, said.outSince(said.now()))
	if asked.Load() < 5 {
		t.Errorf("only %d questions were admitted, %d were stale: the test shows little", asked.Load(), stale.Load())
	}
	accepted := map[string]bool{}
	for _, e := range w.entries() {
		if e.Action == audit.Question && e.Verdict == audit.Accepted {
			accepted[e.Query] = true
		}
	}
	held, err := w.Access("owner", fmt.Sprintf("p%d", 2*shuttle), "", w.now())
	w.must(err)
	if len(held.Questions) != len(accepted) || int64(len(accepted)) != asked.Load() {
		t.Errorf("who was in all %d questions is told of %d, %d are on record", asked.Load(), len(held.Questions), len(accepted))
	}
	for i := range min(rounds, shuttle) {
		w.checkErased(fmt.Sprintf("p%d", shuttle+i))
	}
}

// checkView tells whether a view is of one piece: all customers but the erased, of one and the same file, and nobody takes part
// who had said before that they are out.
func checkView(t *testing.T, v *view, numbers map[ids.ID]int, out [crowd]bool) {
	t.Helper()
	taking, _ := v.purpose("planning")
	ads, _ := v.purpose("ads")
	n := len(v.snapshot.IDs)
	if len(taking) != (n+63)/64 || len(ads) != len(taking) || len(v.snapshot.Segments) != n || len(v.snapshot.Consented) != n {
		t.Errorf("a view of %d customers has %d and %d words", n, len(taking), len(ads))
		return
	}
	there := [crowd]bool{}
	for customer, id := range v.snapshot.IDs {
		number, ok := numbers[id]
		if !ok || there[number] {
			t.Errorf("customer %d is somebody else, or there twice", number)
		}
		there[number] = true
		if v.snapshot.Segments[customer] != v.snapshot.Segments[0] {
			t.Error("a view of two files")
		}
		if out[number] && taking.has(customer) {
			t.Errorf("customer %d takes part, who was told that they don't", number)
		}
		if number >= shuttle && number < 2*shuttle && out[number] {
			t.Errorf("customer %d is there, who was told that they were erased", number)
		}
		if number >= 2*shuttle && !(taking.has(customer) && ads.has(customer)) {
			t.Errorf("customer %d has said nothing and does not take part", number)
		}
	}
	for number := range there {
		if !there[number] && (number < shuttle || number >= 2*shuttle) {
			t.Errorf("customer %d is missing", number)
		}
	}
}

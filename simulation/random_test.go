package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
)

// TestCourseOfEvents runs a collaboration through a random course of questions, crashes, hostile messages and analysts who
// give up, and guards after every step what must hold whatever happens: an answer is right, its price is charged once, a
// question without an answer costs a party its price at most once, the cause of a failure is not a defect, no session and
// no reservation is left, and the collaboration works again. The seed decides on the course; what runs at the same time
// may still interleave differently.
func TestCourseOfEvents(t *testing.T) {
	seed, steps := uint64(1), 8
	if long {
		steps = 300
	}
	if text := os.Getenv("SOTTO_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SOTTO_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 7))
	c := start(t, setup{parties: 3, total: 100_000, seed: seed})
	for step := range steps {
		q := randomQuestion(random, c)
		before := c.charges()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		event := c.randomEvent(random, q, cancel)
		a, err := c.analysts[0].Ask(ctx, filled(q), nil)
		cancel()
		what := fmt.Sprintf("step %d, %s, %s: %v", step, wording(q), event, err)
		t.Log(what)
		c.tap.clear()
		for _, p := range c.parties {
			if p.down() {
				p.restart()
			}
		}
		if c.coordinator.node == nil {
			c.coordinator.restart()
		}
		c.back()
		c.tidy()
		if err == nil {
			checkAnswer(t, c.people, q, a)
		} else if fault.IsKind(err, fault.Internal) {
			t.Errorf("%s: an internal error", what)
		}
		for name, after := range c.charges() {
			spent := after - before[name]
			switch part := strings.Contains(wording(q), name); {
			case err == nil && part && spent != 10, spent != 0 && spent != 10, !part && spent != 0:
				t.Errorf("%s: %s was charged %v", what, name, spent)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// randomQuestion asks about two or, now and then, all three parties.
func randomQuestion(random *rand.Rand, c *cluster) client.Question {
	names := slices.Clone(partyNames[:3])
	random.Shuffle(3, func(i, j int) { names[i], names[j] = names[j], names[i] })
	if random.IntN(3) > 0 {
		names = names[:2]
	}
	var terms []string
	for _, name := range names {
		terms = append(terms, name+"."+[]string{"member", "gold", `band != "unknown"`}[random.IntN(3)])
	}
	switch random.IntN(5) {
	case 0:
		return client.Question{Total: terms}
	case 1:
		return client.Question{Count: strings.Join(terms[:2], " || ")}
	}
	q := client.Question{Count: strings.Join(terms, " && ")}
	if len(names) == 2 && random.IntN(2) == 0 {
		q.By = []string{names[random.IntN(2)] + ".region"}
	}
	return q
}

// randomEvent arranges that something happens to the next question, or nothing, and says what.
func (c *cluster) randomEvent(random *rand.Rand, q client.Question, giveUp func()) string {
	m := moments[random.IntN(len(moments))]
	if random.IntN(2) == 0 {
		m = lastMoments[random.IntN(len(lastMoments))]
	}
	victim := c.parties[random.IntN(len(c.parties))]
	switch random.IntN(5) {
	case 0:
		return "nothing happens"
	case 1:
		c.once(victim.name, m, victim.crash)
		return fmt.Sprintf("%s crashes %s", victim.name, m.name)
	case 2:
		c.once(victim.name, m, giveUp)
		return fmt.Sprintf("the analyst gives up on %s %s", victim.name, m.name)
	case 3:
		bit := random.IntN(1 << 12)
		if m.method == "Prepare" {
			m = moments[2] // a session prepared under another number is the coordinator's own loss
		}
		c.tap.on(m.inward, victim.name, m.method, func(got message) ([]proto.Message, error) {
			if got.at == m.at {
				return []proto.Message{flipped(got.body, bit)}, nil
			}
			return []proto.Message{got.body}, nil
		})
		return fmt.Sprintf("bit %d flips for %s %s", bit, victim.name, m.name)
	default:
		c.tap.on(m.inward, victim.name, m.method, func(got message) ([]proto.Message, error) {
			if got.at == m.at {
				return []proto.Message{got.body.ProtoReflect().New().Interface()}, nil
			}
			return []proto.Message{got.body}, nil
		})
		return fmt.Sprintf("a message is empty for %s %s", victim.name, m.name)
	}
}

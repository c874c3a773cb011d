package simulation

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestLostOnTheWay guards that a question without an answer is asked anew, not given up for lost, and costs nothing but what
// was released: when it failed, when its analyst gave up, and when the coordinator has lost it.
func TestLostOnTheWay(t *testing.T) {
	c := start(t, setup{seed: 114})
	q := plain(client.Question{Total: []string{"bank.member", "cinema.gold"}})
	c.tap.on(from, "cinema", "Open", as(func(r *sottov1.OpenResponse) { proto.Reset(r) }))
	if _, err := ask(c.analysts[0], q); err == nil {
		t.Fatal("the question did not fail")
	}
	c.tap.clear()
	ctx, cancel := context.WithCancel(context.Background())
	c.tap.on(to, "bank", "Agree", watching(func(message) { cancel() }))
	if _, err := c.analysts[0].Ask(ctx, q, nil); !cancelled(err) {
		t.Errorf("given up: %v", err)
	}
	c.tap.clear()
	c.tidy()
	a, err := ask(c.analysts[0], q)
	c.must(err)
	if charges := c.charges(); a.Earlier || charges["bank"] != 10 || charges["cinema"] != 10 {
		t.Errorf("after it failed and was given up: earlier %v, charges %v", a.Earlier, charges)
	}
	// A coordinator that has lost its store may be handed the earlier signed question again. It was answered and is not to be
	// answered twice, so that this fails at most once; then it is asked anew, and paid.
	c.coordinator.stop()
	c.must(sqlite.Remove(c.coordinator.path))
	c.coordinator.restart()
	c.back()
	if _, err := ask(c.analysts[0], q); err != nil {
		refused(t, err, fault.Protocol, "was answered already")
		a, err = ask(c.analysts[0], q)
		c.must(err)
	}
	checkAnswer(t, c.people, q, a)
	if charges := c.charges(); charges["bank"] != 20 || charges["cinema"] != 20 {
		t.Errorf("after the coordinator has lost its store: charges %v", charges)
	}
}

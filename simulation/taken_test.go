package simulation

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestNeverTaken guards what is said to be free: a question that the coordinator never took when it was asked first is begun,
// and paid, when it is asked again; its answer is none that was given before.
func TestNeverTaken(t *testing.T) {
	c := start(t, setup{seed: 190})
	q := plain(client.Question{Total: []string{"bank.member", "cinema.gold"}})
	c.ends.on(to, agreement.CoordinatorName, "Submit", func(message) ([]proto.Message, error) {
		return nil, fault.New(fault.Unavailable, "a broken wire")
	})
	_, err := ask(c.analysts[0], q)
	failed(t, err, fault.Unavailable, "")
	c.ends.clear()
	a, err := ask(c.analysts[0], q)
	c.must(err)
	if charges := c.charges(); a.Earlier || charges["bank"] != 10 || charges["cinema"] != 10 {
		t.Errorf("earlier %v, charges %v", a.Earlier, charges)
	}
}

// TestPriceSwapped guards how many questions are said to be left against a coordinator that asks a party about another price.
func TestPriceSwapped(t *testing.T) {
	c := start(t, setup{seed: 191, total: 20})
	for name, change := range map[string]func(p *sottov1.Price){
		"cheaper": func(p *sottov1.Price) { p.MicroEpsilon /= 100 }, "more cells": func(p *sottov1.Price) { p.Cells++ },
		"another mechanism": func(p *sottov1.Price) { p.Mechanism, p.AttoDelta = "gaussian", 1e12 },
	} {
		c.tap.on(to, "bank", "Budget", as(func(r *sottov1.PartyBudgetRequest) { change(r.Price) }))
		e, err := c.analysts[0].Explain(context.Background(), plain(client.Question{Total: []string{"bank.member", "cinema.gold"}}), 0)
		if !fault.IsKind(err, fault.Protocol) {
			t.Errorf("%s: explained as %+v, %v", name, e, err)
		}
		c.tap.clear()
	}
}

// TestExplainedWithinAnyAgreement guards the search for an accuracy where the agreement allows an ε per question that its δ
// does not: then what δ allows is the most.
func TestExplainedWithinAnyAgreement(t *testing.T) {
	c := start(t, setup{seed: 192}) // epsilon_per_query 20, delta_per_query 1e-6
	for _, q := range []client.Question{
		{Total: []string{"bank.member", "cinema.gold"}},
		{Total: []string{"bank.member", "cinema.gold"}, Mechanism: "gaussian", Delta: 1e-8},
	} {
		if e, err := c.analysts[0].Explain(context.Background(), plain(q), 50); err != nil || e.Cells[0].Within > 50 {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

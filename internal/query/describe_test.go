package query_test

import (
	"fmt"
	"math"
	"strings"

	"github.com/sotto-dev/sotto/internal/query"
)

// describe writes what matters of a plan in one line: the chains, then the numbers.
func describe(p *query.Plan) string {
	var chains []string
	for i := range p.Chains {
		chains = append(chains, describeChain(&p.Chains[i], p.Blocks(&p.Chains[i])))
	}
	slots := fmt.Sprintf("2^%d", p.LogSlots)
	if p.Matched() {
		slots = fmt.Sprint(p.Need.Slots)
	}
	what := fmt.Sprintf("%s cells=%d slots=%s clip=%d sensitivity=%d draws=%d products=%d coefficient=%d largest=%d n=2^%d primes=%d log2t=%d",
		strings.Join(chains, "; "), p.Cells, slots, p.Clip, p.Noise.Sensitivity, p.Draws(), p.Need.Products, p.Need.Coefficient, p.Need.Largest,
		p.Params.LogN, len(p.Params.Q), int(math.Log2(float64(p.Params.T))+1))
	if p.Scale != 1 || p.Centre != 0 {
		what += fmt.Sprintf(" scale=%d centre=%d", p.Scale, p.Centre)
	}
	return what
}

// describeChain writes the hops as party:groups(in,out), $ for amounts, then the blocks per
// vector, and the lanes where there are several, then where the results go
// with which coefficient: that of the first result, and of the last if there are more.
func describeChain(c *query.Chain, blocks int) string {
	var parts []string
	for _, h := range c.Hops {
		amounts := ""
		if h.Amounts {
			amounts = "$"
		}
		parts = append(parts, fmt.Sprintf("%s%s:%d(%d,%d)", h.Party, amounts, h.Groups, h.In, h.Out))
	}
	if blocks > 0 {
		parts = append(parts, fmt.Sprintf("blocks=%d", blocks))
	}
	if c.Lanes != 1 || c.Ciphertexts != c.Results {
		parts = append(parts, fmt.Sprintf("lanes=%d ciphertexts=%d", c.Lanes, c.Ciphertexts))
	}
	if c.Scale != 1 {
		parts = append(parts, fmt.Sprintf("scale=%d", c.Scale))
	}
	into := describeTargets(c.Into[0])
	if len(c.Into) > 1 {
		into += ".." + describeTargets(c.Into[len(c.Into)-1])
	}
	return strings.Join(append(parts, "→"+into), " ")
}

func describeTargets(targets []query.Target) string {
	var parts []string
	for _, t := range targets {
		parts = append(parts, fmt.Sprintf("%+d·%d", t.Coefficient, t.Cell))
	}
	return strings.Join(parts, "")
}

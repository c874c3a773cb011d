package lab_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/client"
)

// checkExplanation holds what was said before a question was asked against its answer.
func (q *question) checkExplanation(t *testing.T, e *client.Explanation, answer *client.Answer) {
	if e.Epsilon != answer.Epsilon || e.Delta != answer.Delta || e.Measure != answer.Measure || e.Unit != answer.Unit ||
		e.Draws != answer.Draws || !slices.Equal(e.By, answer.By) || len(e.Cells) != len(answer.Cells) || e.Earlier {
		t.Errorf("%s: explained as %+v, answered as %+v", q.Name, e, answer)
		return
	}
	for i, c := range answer.Cells {
		if !maps.Equal(c.Group, e.Cells[i].Group) {
			t.Errorf("%s: cell %d is explained as %v, answered as %v", q.Name, i, e.Cells[i].Group, c.Group)
		}
		within := e.Cells[i].Within
		if q.Mean != "" { // is said for so many people
			_, step := q.scale()
			people := float64(c.Released[1]) / math.Ceil(q.span()/step/2)
			if people < e.Assumed {
				continue
			}
		}
		if half := (c.High - c.Low) / 2; half > within*(1+1e-9) {
			t.Errorf("%s, %q: explained as ± %v, answered as ± %v", q.Name, q.group(c), within, half)
		}
	}
	// What is put around the blocks on the wire is not counted.
	if bytes := answer.Bytes(); math.Abs(float64(e.Bytes)/float64(bytes)-1) > 0.02 {
		t.Errorf("%s: explained as %d bytes, answered with %d", q.Name, e.Bytes, bytes)
	}
	var asked []string
	for _, b := range e.Budgets {
		asked = append(asked, b.Party)
		if b.Epsilon != q.Epsilon || !(b.Share > 0 && b.Share <= 1) || b.Questions < 1 {
			t.Errorf("%s: explained to cost %+v", q.Name, b)
		}
	}
	if slices.Sort(asked); !slices.Equal(asked, slices.Sorted(slices.Values(q.parties))) {
		t.Errorf("%s: explained to cost %v something, must be %v", q.Name, asked, q.parties)
	}
}

// span returns the distance of an amount's bounds.
func (q *question) span() float64 {
	m, _ := q.amount()
	return m.Clip[1] - m.Clip[0]
}

// compareTables checks that the consistent tables of an answer are all there, agree with each other, and have no negative
// number, and adds their cells to outcomes.
func (q *question) compareTables(t *testing.T, answer *client.Answer, outcomes map[cell]outcome) {
	tables, err := answer.Consistent()
	if err != nil || len(tables) != 1<<len(q.By) {
		t.Errorf("%s: %d consistent tables, error %v", q.Name, len(tables), err)
		return
	}
	finest := slices.IndexFunc(tables, func(table client.Table) bool { return slices.Equal(table.By, q.By) })
	if finest < 0 {
		t.Errorf("%s: no consistent table by all dimensions", q.Name)
		return
	}
	for _, table := range tables {
		for _, c := range table.Cells {
			if c.Value < 0 || c.Low < 0 || c.Value < c.Low || c.Value > c.High {
				t.Errorf("%s, consistent %v: %v, interval %v to %v", q.Name, c.Group, c.Value, c.Low, c.High)
			}
			sum, raw := 0., int64(0)
			for i, part := range tables[finest].Cells {
				if within(part.Group, c.Group) {
					sum += part.Value
					raw += answer.Cells[i].Released[0]
				}
			}
			if math.Abs(sum-c.Value) > 1e-6*(1+sum) || raw != c.Released[0] {
				t.Errorf("%s, consistent %v: %v of %d released, its cells add up to %v of %d", q.Name, c.Group, c.Value, c.Released[0], sum, raw)
			}
			truth := 0.
			for _, released := range answer.Cells {
				if within(released.Group, c.Group) {
					truth += q.truth[q.group(released)]
				}
			}
			o, _, _ := q.outcome(t, c, truth)
			outcomes[cell{q, fmt.Sprint(c.Group), fmt.Sprint(table.By)}] = o
		}
	}
}

// within tells whether a group of the answer is one of those that a marginal adds up.
func within(group, marginal map[string]string) bool {
	for dimension, value := range marginal {
		if group[dimension] != value {
			return false
		}
	}
	return true
}

package customers

import (
	"errors"
	"math"

	"github.com/sotto-dev/sotto/party/config"
)

// total adds up what rows say of one measure.
type total struct {
	expression *expression
	declared   config.Measure

	sums []float64 // per customer, in units; NaN if no row of theirs says anything

	// What the rows of the chunk at hand say.
	said []float64
	null nulls
}

// look takes a column of a chunk as what the rows say from now on.
func (t *total) look(c chunk, i int) {
	t.said, t.null = column[float64](c, i), c.nulls(i)
}

// add adds what a row says to the sum of a customer, the next new one or one before. Errors hold nothing of the row.
func (t *total) add(customer, row int) error {
	if customer == len(t.sums) {
		t.sums = append(t.sums, math.NaN())
	}
	if t.null.at(row) {
		return nil
	}
	amount := t.said[row]
	if math.IsNaN(amount) || math.IsInf(amount, 0) {
		return t.expression.refuse(errors.New("is not a finite number on some row")).
			WithHint("a division by zero is infinite; NULLIF(divisor, 0) makes it NULL, which is no amount")
	}
	if sum := t.sums[customer]; !math.IsNaN(sum) {
		amount += sum
	}
	t.sums[customer] = amount
	return nil
}

// amounts returns all customers' amounts in steps and forgets the sums.
func (t *total) amounts() ([]int32, error) {
	size := t.declared.StepSize()
	amounts := make([]int32, len(t.sums))
	for i, sum := range t.sums {
		switch {
		case math.IsNaN(sum):
			amounts[i] = NoAmount
		case math.IsInf(sum, 0):
			return nil, t.expression.refuse(errors.New("the rows of some customer add up to more than float64 holds"))
		default:
			clipped := min(max(sum, t.declared.Clip[0]), t.declared.Clip[1])
			amounts[i] = int32(math.Round(clipped / size))
		}
	}
	t.sums = nil
	return amounts, nil
}

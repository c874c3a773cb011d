package report

import (
	"math"
	"regexp"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var coordinate = regexp.MustCompile(`([MVH])(-?[0-9.]+)(?: (-?[0-9.]+))?`)

// Whatever was spent, the stairs only rise, stay in the picture with the limit, end at the right, and as high as the scale says.
func TestChart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sums := rapid.SliceOfN(rapid.Float64Range(1e-6, 1e3), 1, 100).Draw(t, "spent")
		for i := range sums[1:] {
			sums[i+1] += sums[i]
		}
		limit := rapid.Float64Range(1e-6, 1e6).Draw(t, "limit")
		starts := make([]time.Time, len(sums))
		for i := range starts {
			starts[i] = now.AddDate(0, 0, i)
		}
		c := newChart("", "", starts, time.DateOnly, sums, limit, "")
		number := func(text string) float64 {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		x, y := 0.0, 0.0
		for _, step := range coordinate.FindAllStringSubmatch(c.Line, -1) {
			switch step[1] {
			case "M":
				x, y = number(step[2]), number(step[3])
			case "H":
				if number(step[2]) <= x {
					t.Fatalf("to the left: %s", c.Line)
				}
				x = number(step[2])
			case "V":
				if number(step[2]) > y {
					t.Fatalf("down: %s", c.Line)
				}
				y = number(step[2])
			}
		}
		lines := c.Vertical
		top, scale := lines[len(lines)-1], number(lines[len(lines)-1].Label)
		want := float64(c.Bottom) - sums[len(sums)-1]/scale*float64(c.Bottom-c.Top)
		if x != float64(c.Right) || math.Abs(y-want) > .1 || y < float64(c.Top)-.1 || number(c.Limit.At) < float64(c.Top)-.1 || math.Abs(number(top.At)-float64(c.Top)) > .1 {
			t.Fatalf("it ends at %v, %v (want %v); limit at %s, scale ends at %s", x, y, want, c.Limit.At, top.At)
		}
		if len(lines) < 3 || len(lines) > mostTicks+1 || len(c.Horizontal) > mostLabels {
			t.Fatalf("%d and %d labels", len(lines), len(c.Horizontal))
		}
	})
}

package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// chart is a line of amounts that add up over time, below a limit. Its numbers are places in an SVG picture.
type chart struct {
	Title, Description                      string
	Width, Height, Left, Right, Top, Bottom int
	Vertical, Horizontal                    []tick
	Line, Area                              string
	Limit                                   tick
}

type tick struct{ At, Label string }

const (
	mostTicks  = 6 // on the left
	mostLabels = 8 // below
)

// newChart draws sums, one per bucket that starts at a time, as stairs. There must be at least one.
func newChart(title, description string, starts []time.Time, layout string, sums []float64, limit float64, limitLabel string) *chart {
	c := &chart{Title: title, Description: description, Width: 860, Height: 300, Left: 60, Right: 845, Top: 24, Bottom: 262}
	high := max(limit, sums[len(sums)-1])
	step := roundStep(high / mostTicks)
	high = math.Ceil(high/step-1e-9) * step
	y := func(v float64) string { return place(float64(c.Bottom) - v/high*float64(c.Bottom-c.Top)) }
	width := float64(c.Right-c.Left) / float64(len(sums))
	x := func(bucket int) string { return place(float64(c.Left) + float64(bucket)*width) }
	for i := 0; float64(i)*step <= high*(1+1e-9); i++ {
		c.Vertical = append(c.Vertical, tick{y(float64(i) * step), strconv.FormatFloat(float64(i)*step, 'g', 6, 64)})
	}
	every := (len(starts) + mostLabels - 1) / mostLabels
	var line strings.Builder
	fmt.Fprintf(&line, "M%s %s", x(0), y(0))
	for i, sum := range sums {
		fmt.Fprintf(&line, "V%sH%s", y(sum), x(i+1))
		if i%every == 0 {
			c.Horizontal = append(c.Horizontal, tick{place(float64(c.Left) + (float64(i)+.5)*width), starts[i].Format(layout)})
		}
	}
	c.Line = line.String()
	c.Area = fmt.Sprintf("%sV%sH%sZ", c.Line, y(0), x(0))
	c.Limit = tick{y(limit), limitLabel}
	return c
}

// roundStep returns the least of 1, 2 and 5 times a power of ten that is at least x, above 0.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= x*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// place returns a coordinate in tenths.
func place(x float64) string { return strconv.FormatFloat(math.Round(10*x)/10, 'f', -1, 64) }

package match

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// batch is how many points share one inversion, and what a core takes at a time: 5 ms of work.
const batch = 128

// Points are a list, or a chunk of one: contiguous, 32 bytes each.
type Points []Point

// What can be wrong with a list. Which point it was means nothing to anybody, and how many there are is nobody's business.
var (
	ErrMalformed = errors.New("matching: a point is not canonical, or the identity")
	ErrTwice     = errors.New("matching: a point is there twice")
	ErrOrder     = errors.New("matching: the spine is not in ascending order")
	ErrCount     = errors.New("matching: a list is longer or shorter than announced")
	ErrMissing   = errors.New("matching: a customer or a dummy of this party is missing from the spine")
	ErrForgotten = errors.New("matching: its secrets are erased")
)

// MaxPoints is the largest number of points in a list: 2 GB.
const MaxPoints = 1 << 26

// ParsePoints returns a copy of bytes as points; its length must be a multiple of [PointSize]. Whether they are points,
// [Raise] and [Check] say.
func ParsePoints(bytes []byte) (Points, error) {
	if len(bytes)%PointSize != 0 {
		return nil, fmt.Errorf("matching: a chunk of a list has %d bytes, must be a multiple of %d", len(bytes), PointSize)
	}
	points := make(Points, len(bytes)/PointSize)
	for i := range points {
		points[i] = Point(bytes[i*PointSize:])
	}
	return points, nil
}

// AppendBytes appends the points to out, for [ParsePoints].
func (p Points) AppendBytes(out []byte) []byte {
	for i := range p {
		out = append(out, p[i][:]...)
	}
	return out
}

// Raise returns every point raised to e, in the same order, computed on all cores. A point that is not canonical, or the
// identity, is [ErrMalformed], and nothing is returned. out may be nil, or have room that is used; it may be p
// itself (which is in disorder after an error). Safe for concurrent use. Neither time nor addresses depend on e.
func Raise(out, p Points, e *Exponent) (Points, error) {
	if e.forgotten() {
		return nil, ErrForgotten
	}
	out = grow(out, len(p))
	err := onAllCores(len(p), func(states []doubled, from, to int) error {
		var q extended
		for i := from; i < to; i++ {
			if !q.decode(&p[i]) {
				return ErrMalformed
			}
			q.times(&e.digits, &q)
			states[i-from].from(&q)
		}
		encodeDoubles(out[from:to], states[:to-from])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RaiseTwo returns what two calls of [Raise] do, for a quarter to a third less.
func RaiseTwo(p Points, e, f *Exponent) (first, second Points, err error) {
	if e.forgotten() || f.forgotten() {
		return nil, nil, ErrForgotten
	}
	first, second = make(Points, len(p)), make(Points, len(p))
	err = onAllCores(len(p), func(states []doubled, from, to int) error {
		var q, r, s extended
		others := make([]doubled, to-from)
		for i := from; i < to; i++ {
			if !q.decode(&p[i]) {
				return ErrMalformed
			}
			timesTwo(&r, &s, &e.digits, &f.digits, &q)
			states[i-from].from(&r)
			others[i-from].from(&s)
		}
		encodeDoubles(first[from:to], states[:to-from])
		encodeDoubles(second[from:to], others)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return first, second, nil
}

// Check returns [ErrMalformed] if a point is not canonical, or the identity. It is for lists that are not raised, and takes a
// tenth of the time.
func Check(p Points) error {
	return onAllCores(len(p), func(_ []doubled, from, to int) error {
		var q extended
		for i := from; i < to; i++ {
			if !q.decode(&p[i]) {
				return ErrMalformed
			}
		}
		return nil
	})
}

// grow returns a list of n points, in out if that has room.
func grow(out Points, n int) Points {
	if cap(out) < n {
		return make(Points, n)
	}
	return out[:n]
}

// onAllCores calls work for batches of n until one returns an error. Each worker has its own states, batch of them.
func onAllCores(n int, work func(states []doubled, from, to int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	var once sync.Once
	var first error
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+batch-1)/batch) {
		workers.Go(func() {
			states := make([]doubled, batch)
			for !failed.Load() {
				from := int(next.Add(batch)) - batch
				if from >= n {
					return
				}
				if err := work(states, from, min(from+batch, n)); err != nil {
					failed.Store(true)
					once.Do(func() { first = err })
				}
			}
		})
	}
	workers.Wait()
	return first
}

// Sort sorts the points by their bytes.
func (p Points) Sort() { slices.SortFunc(p, compare) }

// CheckDistinct returns [ErrTwice] if a point is there twice. It takes 8 bytes per point, and more only
// where the first 8 bytes of several are the same.
func (p Points) CheckDistinct() error {
	starts := make([]uint64, len(p))
	for i := range p {
		starts[i] = p[i].start()
	}
	slices.Sort(starts)
	twice := map[uint64]bool{}
	for i := 1; i < len(starts); i++ {
		if starts[i] == starts[i-1] {
			twice[starts[i]] = true
		}
	}
	if len(twice) == 0 {
		return nil
	}
	seen := map[Point]bool{}
	for i := range p {
		if !twice[p[i].start()] {
			continue
		}
		if seen[p[i]] {
			return ErrTwice
		}
		seen[p[i]] = true
	}
	return nil
}

func (p *Point) start() uint64 { return binary.BigEndian.Uint64(p[:8]) }

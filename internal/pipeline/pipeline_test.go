package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/pipeline"
)

func count(limit int) func(context.Context) (int, bool, error) {
	i := -1
	return func(context.Context) (int, bool, error) {
		i++
		return i, i < limit, nil
	}
}

// Every job is worked on once and results come in order, for any number of workers and jobs.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jobs, workers := rapid.IntRange(0, 60).Draw(t, "jobs"), rapid.IntRange(1, 6).Draw(t, "workers")
		var got []int
		err := pipeline.Ordered(context.Background(), workers, count(jobs),
			func(_, job int) (int, error) { return job * job, nil },
			func(_ context.Context, r int) error { got = append(got, r); return nil })
		if err != nil || len(got) != jobs {
			t.Fatalf("%d results, %v", len(got), err)
		}
		for i, r := range got {
			if r != i*i {
				t.Fatalf("result %d is %d", i, r)
			}
		}
	})
}

// However slow emit is, next runs ahead of it by a bounded number of jobs: memory does not grow with their count.
func TestBoundedAhead(t *testing.T) {
	const workers = 3
	var begun, done atomic.Int64
	next := count(500)
	err := pipeline.Ordered(context.Background(), workers,
		func(ctx context.Context) (int, bool, error) {
			if ahead := begun.Add(1) - done.Load(); ahead > 2*workers+3 {
				t.Errorf("%d jobs under way", ahead)
			}
			return next(ctx)
		},
		func(_, job int) (int, error) { return job, nil },
		func(context.Context, int) error { done.Add(1); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// An error anywhere, and the end of the context, stop everything and come back.
func TestErrorsStopEverything(t *testing.T) {
	broken := errors.New("broken")
	fails := func(at int) func(int) error {
		return func(i int) error {
			if i == at {
				return broken
			}
			return nil
		}
	}
	never := fails(-1)
	for name, f := range map[string][3]func(int) error{
		"next": {fails(5), never, never}, "work": {never, fails(7), never}, "emit": {never, never, fails(3)},
	} {
		endless := count(1 << 30)
		err := pipeline.Ordered(context.Background(), 2,
			func(ctx context.Context) (int, bool, error) {
				i, ok, _ := endless(ctx)
				return i, ok, f[0](i)
			},
			func(_, job int) (int, error) { return job, f[1](job) },
			func(_ context.Context, r int) error { return f[2](r) })
		if !errors.Is(err, broken) {
			t.Errorf("%s fails: error is %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	err := pipeline.Ordered(ctx, 2, count(1<<30), func(_, job int) (int, error) { return job, nil },
		func(_ context.Context, r int) error {
			if r == 10 {
				cancel()
			}
			return nil
		})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error is %v", err)
	}
}

// Package pipeline runs work on all cores while keeping its order, with memory bounded by the number of workers.
package pipeline

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Ordered calls next, one job at a time, until it reports no more; runs work on each job, workers at a time, telling
// which of them (0…workers−1) is running; and calls emit with the results in the order of the jobs, one at a time. At
// most 2·workers jobs are between next and emit. The first error, or the end of ctx, stops everything and is returned
// after all calls have come back; next and emit should themselves watch the context that they are given.
func Ordered[J, R any](
	ctx context.Context, workers int,
	next func(context.Context) (J, bool, error),
	work func(worker int, job J) (R, error),
	emit func(context.Context, R) error,
) error {
	type task struct {
		job    J
		result chan R // capacity 1
	}
	g, ctx := errgroup.WithContext(ctx)
	tasks := make(chan task)            // to any worker
	order := make(chan chan R, workers) // to emit, in the order of next
	g.Go(func() error {
		defer close(tasks)
		defer close(order)
		for {
			job, ok, err := next(ctx)
			if err != nil || !ok {
				return err
			}
			t := task{job, make(chan R, 1)}
			for _, send := range []func() bool{
				func() bool { return offer(ctx, order, t.result) },
				func() bool { return offer(ctx, tasks, t) },
			} {
				if !send() {
					return ctx.Err()
				}
			}
		}
	})
	for worker := range workers {
		g.Go(func() error {
			for t := range tasks {
				result, err := work(worker, t.job)
				if err != nil {
					return err
				}
				t.result <- result
			}
			return nil
		})
	}
	g.Go(func() error {
		for result := range order {
			select {
			case r := <-result:
				if err := emit(ctx, r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return ctx.Err()
	})
	return g.Wait()
}

func offer[T any](ctx context.Context, to chan<- T, value T) bool {
	select {
	case to <- value:
		return true
	case <-ctx.Done():
		return false
	}
}

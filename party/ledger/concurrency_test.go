package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// Sixty-four at a time never spend more than any limit together, nor begin a question more often than is allowed; what they
// see meanwhile never exceeds a limit either, and nobody who reads disturbs them.
func TestConcurrent(t *testing.T) {
	path := create(t)
	l := open(t, path)
	limits := ledger.Limits{Delta: plainly, Sessions: 3, Windows: []ledger.Limit{
		{Period: ledger.Day, MicroEpsilon: 600}, {Organisation: "agency", Period: ledger.Month, MicroEpsilon: 500}, {Period: ledger.Ever, MicroEpsilon: 1000},
	}}
	var workers, watchers sync.WaitGroup
	var mu sync.Mutex
	granted, sameQuestion := agreement.MicroEpsilon(0), 0
	for worker := range 64 {
		workers.Go(func() {
			for i := range 10 {
				c := charge(worker*100+i, agreement.MicroEpsilon(1+(worker+i)%9))
				if i%4 == 0 {
					c.Query = [32]byte{1} // one question of all
				}
				if worker%3 == 0 {
					c.Organisation = "shop"
				}
				c.Begun = begun.AddDate(0, 0, worker%2)
				err := l.Reserve(t.Context(), c, limits)
				if err != nil {
					if !fault.IsKind(err, fault.Budget) && !fault.IsKind(err, fault.Protocol) {
						t.Errorf("error is %v", err)
					}
					continue
				}
				if i%3 == 0 {
					err = release(l, c)
				} else if i%5 == 0 {
					err = l.Lapse(c.Session)
					c.Loss.MicroEpsilon = 0
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				granted += agreement.MicroEpsilon(c.Loss.MicroEpsilon)
				if i%4 == 0 {
					sameQuestion++
				}
				mu.Unlock()
			}
		})
	}
	done, stop := context.WithCancel(t.Context())
	watchers.Go(func() {
		for done.Err() == nil {
			for _, day := range []time.Time{begun, begun.AddDate(0, 0, 1)} {
				for _, u := range l.Usage(limits, nil, day) {
					if u.Spent+u.Reserved > u.Limit.MicroEpsilon || u.Left != u.Limit.MicroEpsilon-u.Spent-u.Reserved {
						t.Errorf("usage is %+v", u)
					}
				}
			}
		}
	})
	watchers.Go(func() {
		for done.Err() == nil {
			before := l.Head()
			reader, err := ledger.OpenReadOnly(path)
			if err != nil {
				t.Errorf("read beside the writer: %v", err)
				return
			}
			if err := reader.Check(before); err != nil {
				t.Error(err)
			}
			if err := l.Check(reader.Head()); err != nil {
				t.Error(err)
			}
			must(t, reader.Close())
		}
	})
	workers.Wait()
	stop()
	watchers.Wait()
	reserved, released := spent(l)
	if granted != reserved+released || granted > 1000 || granted < 1000-9 {
		t.Errorf("granted %d; the ledger has %d reserved, %d released", granted, reserved, released)
	}
	if sameQuestion < 1 || sameQuestion > limits.Sessions {
		t.Errorf("one question was begun %d times, at most %d", sameQuestion, limits.Sessions)
	}
	want := fmt.Sprint(l.Usage(limits, nil, begun))
	must(t, l.Close())
	reader, err := ledger.OpenReadOnly(path)
	must(t, err)
	if got := fmt.Sprint(reader.Usage(limits, nil, begun)); got != want {
		t.Errorf("usage is %s, was %s", got, want)
	}
	must(t, reader.Close())
}

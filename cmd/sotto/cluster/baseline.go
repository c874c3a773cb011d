package cluster

import (
	"syscall"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/he"
)

// SelfCPU returns the CPU time, user and system, of this process so far.
func SelfCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// baselineBlocks is how many of each operation are timed.
const baselineBlocks = 64

// Baseline measures the CPU time of the lattice operations of a question, by doing some of each alone and multiplying.
func Baseline(work client.Work) (time.Duration, error) {
	ring, err := he.NewRing(work.Params)
	if err != nil {
		return 0, err
	}
	share, err := ring.NewShare([32]byte{}, work.Lanes)
	if err != nil {
		return 0, err
	}
	key, err := ring.JoinKey([32]byte{}, [][]byte{share.Public()}, work.Lanes)
	if err != nil {
		return 0, err
	}
	w := key.NewWorker()
	slots := make([]int64, work.Params.N())
	block, sum, plain := ring.NewBlock(work.Lanes), ring.NewBlock(work.Lanes), w.NewPlain()
	timed := func(operation func() error) (time.Duration, error) {
		began := SelfCPU()
		for range baselineBlocks {
			if err := operation(); err != nil {
				return 0, err
			}
		}
		return (SelfCPU() - began) / baselineBlocks, nil
	}
	var total time.Duration
	for _, o := range []struct {
		count     int
		operation func() error
	}{
		{work.Encryptions, func() error { return w.Encrypt(func(int, []int64) {}, block) }},
		{work.Zeros, func() error { return w.Rerandomise(block) }},
		{work.Encodings, func() error { w.Encode(slots, plain); return nil }},
		{work.Products, func() error { w.MultiplyAdd(block, plain, sum); return nil }},
	} {
		each, err := timed(o.operation)
		if err != nil {
			return 0, err
		}
		total += time.Duration(o.count) * each
	}
	return total, nil
}

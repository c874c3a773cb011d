package party

import (
	"runtime"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
)

// work is what a hop does with its blocks. Whatever is sent on is fresh: encrypted here, or re-randomised. Every block of
// every group is processed, empty ones too.
type work struct {
	workers int
	window  int // branches that are worked on together, at most
	do      func(worker int, u unit) ([]*[]byte, error)
	finish  func() resultsOfHop
}

// resultsOfHop are the ciphertexts at the end of a chain, before they are re-randomised; none at other hops.
type resultsOfHop struct {
	count int
	write func(i int, out *he.Block)
}

func (h *hop) newWork() work {
	h.buffers.New = func() any { return new(make([]byte, 0, h.Ring().BlockBytes(h.lanes()))) }
	w := work{workers: runtime.GOMAXPROCS(0), window: 1, finish: func() resultsOfHop { return resultsOfHop{} }}
	switch {
	case len(h.hops) == 1:
		w.finish = func() resultsOfHop {
			return resultsOfHop{len(h.counts), func(_ int, out *he.Block) { out.Zero() }}
		}
	case h.index == 0:
		h.encrypt(&w)
	case h.last():
		h.addUp(&w)
	default:
		h.multiply(&w)
	}
	return w
}

// encrypt is the work of a first hop: its blocks of every group are encrypted, as many to a ciphertext as it has lanes.
func (h *hop) encrypt(w *work) {
	type tools struct {
		*he.Worker
		out *he.Block
	}
	all := make([]tools, w.workers)
	for i := range all {
		all[i] = tools{h.joint.Key.NewWorker(), h.newBlock()}
	}
	own, lanes := h.hops[h.index], h.lanes()
	w.do = func(worker int, u unit) ([]*[]byte, error) {
		t := all[worker]
		var out []*[]byte
		for i := range own.Out {
			slots := func(lane int, slots []int64) {
				if group := i*lanes + lane; group < own.Groups {
					h.vector.Block(u.block, group, slots)
				} else {
					clear(slots) // a lane that is not in use
				}
			}
			if err := t.Encrypt(slots, t.out); err != nil {
				return nil, err
			}
			out = append(out, h.encoded(t.out))
		}
		return out, nil
	}
}

// multiply is the work of a hop in between: every branch is multiplied by its blocks of every group.
func (h *hop) multiply(w *work) {
	groups := h.hops[h.index].Groups
	const together = 64 // lanes that leave at a time, to bound memory
	w.window = max(1, together/groups/h.lanes())
	type tools struct {
		*he.Worker
		slots []int64
		plain *he.Plain
		in    []*he.Block
		out   *he.Block
	}
	all := make([]tools, w.workers)
	for i := range all {
		one := h.joint.Key.NewWorker()
		all[i] = tools{one, make([]int64, h.Plan.Params.N()), one.NewPlain(), nil, h.newBlock()}
		for range min(w.window, h.hops[h.index].In) {
			all[i].in = append(all[i].in, h.newBlock())
		}
	}
	w.do = func(worker int, u unit) ([]*[]byte, error) {
		t := all[worker]
		for i, encoded := range u.branches {
			if err := h.Ring().ReadBlock(encoded, t.in[i]); err != nil {
				return nil, h.malformed(u, err)
			}
		}
		out := make([]*[]byte, len(u.branches)*groups)
		for g := range groups {
			h.vector.Block(u.block, g, t.slots)
			t.Encode(t.slots, t.plain)
			for i := range u.branches {
				t.Multiply(t.in[i], t.plain, t.out)
				if err := t.Rerandomise(t.out); err != nil {
					return nil, err
				}
				out[i*groups+g] = h.encoded(t.out)
			}
		}
		return out, nil
	}
}

// addUp is the work of a last hop: the products of every branch with every group are added up over all blocks.
func (h *hop) addUp(w *work) {
	own := h.hops[h.index]
	sums := h.Ring().NewSums(own.In, own.Groups, h.lanes())
	w.window = sums.Window()
	batches := make([]*he.Batch, w.workers)
	for i := range batches {
		batches[i] = h.joint.Key.NewWorker().NewBatch(sums, h.vector.Block)
	}
	w.do = func(worker int, u unit) ([]*[]byte, error) {
		if err := batches[worker].Add(u.block, u.first, u.branches); err != nil {
			return nil, h.malformed(u, err)
		}
		return nil, nil
	}
	w.finish = func() resultsOfHop {
		for _, b := range batches {
			b.Flush()
		}
		return resultsOfHop{own.Out, func(i int, out *he.Block) { sums.Cell(i/own.Groups, i%own.Groups, out) }}
	}
}

func (h *hop) lanes() int { return h.Plan.Chains[h.chain].Lanes }

func (h *hop) newBlock() *he.Block { return h.Ring().NewBlock(h.lanes()) }

func (h *hop) malformed(u unit, err error) error {
	return fault.New(fault.Protocol, "block %d of %s", u.block, h.hops[h.index-1].Party).Wrap(err)
}

// encoded returns the encoding of a block that is to be sent, in a buffer that goes back when it was.
func (h *hop) encoded(b *he.Block) *[]byte {
	buffer := h.buffers.Get().(*[]byte)
	*buffer = h.Ring().AppendBlock((*buffer)[:0], b)
	return buffer
}

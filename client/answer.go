package client

import (
	"github.com/sotto-dev/sotto/internal/params"
	"github.com/sotto-dev/sotto/internal/query"
)

// Answer is an opened answer.
type Answer struct {
	Measure   string             // "count", "sum", "mean", "total" or "frequency"
	Unit      string             // of a sum or mean; "" for people
	By        []string           // the question's; of a frequency "parties"
	Cells     []Cell             // in the order of By, the last dimension varying fastest
	Epsilon   float64            // ε of the whole answer
	Delta     float64            // δ of the whole answer: the mechanism's, and 2⁻⁴⁰-odd for the encryption
	Mechanism string             // of the noise
	Layout    string             // of the vectors: "hashed" or "matched"
	Spine     string             // in the matched layout the hash of the matching's slots, in hexadecimal, as the catalog has it; else ""
	Slots     int64              // in the matched layout how many there are; else 0
	Draws     int                // independent noise draws in every number released
	Charged   map[string]float64 // ε by which every party has charged its budget, once for this answer
	Earlier   bool               // it was given before, and nothing was charged again
	Stages    []StageTime        // as the coordinator measured them
	Hops      []Hop              // encrypted blocks on the wire

	work Work
	plan *query.Plan
}

// Work is how many operations on blocks a question took, by its plan.
type Work struct {
	Params      params.Set
	Slots       uint64 // length of the vectors; 0 if the question took none
	LogSlots    int    // log2 of it in the hashed layout, 0 in the matched one
	Lanes       int    // of the widest ciphertexts; operations on narrower ones count in proportion to their polynomials
	Encryptions int    // of a block, by first hops
	Zeros       int    // fresh encryptions of zero, to re-randomise
	Encodings   int    // of plaintext blocks
	Products    int    // of a ciphertext and a plaintext block
}

// Work returns how many operations on blocks the answer took.
func (a *Answer) Work() Work { return a.work }

func workOf(plan *query.Plan) Work {
	w := Work{Params: plan.Params, Slots: plan.Need.Slots, LogSlots: plan.LogSlots, Lanes: plan.Lanes()}
	whole := 1 + w.Lanes
	for c := range plan.Chains {
		chain := &plan.Chains[c]
		polys := 1 + chain.Lanes
		w.Zeros += chain.Ciphertexts * polys / whole
		for i, hop := range chain.Hops {
			blocks := plan.Blocks(chain) * hop.Out * polys / whole
			if i == 0 {
				w.Encryptions += blocks
				continue
			}
			if i < len(chain.Hops)-1 {
				w.Zeros += blocks
			}
			w.Encodings += plan.Blocks(chain) * hop.Groups
			w.Products += blocks
		}
	}
	return w
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// Hop is how many bytes of encrypted blocks travelled between two nodes.
type Hop struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes uint64 `json:"bytes"`
}

// Bytes returns the bytes of encrypted blocks of all hops.
func (a *Answer) Bytes() uint64 {
	var sum uint64
	for _, h := range a.Hops {
		sum += h.Bytes
	}
	return sum
}

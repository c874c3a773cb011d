package match

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/ids"
)

// MaxParties is the largest number of parties in a matching. Dummies are in proportion to Parties·2^Parties.
const MaxParties = 8

// Cover says how many dummies hide the counts that a matching shows: the lengths of lists, the size of the union, and how
// many tokens each subset of the parties shares.
//
// For every party i and every subset S of the others, the empty one too, there is a pool of [Cover.Pool] dummies. All of
// S include the pool in full, i includes a random subset of d of them, d = clamp(B/2 + integer Laplace(1/ε), 0, B).
// A record more at party i that exactly the parties of S have too makes one token more that is shared by S and i, one less
// that is shared by S alone (if S has anybody), and i's list longer by one: all of it what one more in d does. So the
// records with d look as the ones without with d+1, and what shows is (ε, δ)-private for a record. Without the pools
// of the empty subset, the size of the union would show exactly.
//
// A person who is at all N parties is N records, which shift N different draws by one each; these are independent, so that
// the whole is (N·ε, N·δ)-private for a person: [Cover.Loss].
type Cover struct {
	Parties int     // N, 2…MaxParties
	Epsilon float64 // for a record, in (0, dp.MaxEpsilon]
	Delta   float64 // for a record, in (0, 1)
}

// maxPool bounds the dummies of one pool: those of ε = 0.01 and δ = 10⁻¹² need half of it.
const maxPool = 10_000

// Check returns an error that names the value and the rule if a matching can't be covered so.
func (c Cover) Check() error {
	if c.Parties < 2 || c.Parties > MaxParties {
		return fmt.Errorf("cover: number of parties is %d, must be 2 to %d", c.Parties, MaxParties)
	}
	if err := c.noise().Check(); err != nil {
		return fmt.Errorf("cover: %w", err)
	}
	if _, err := dp.AttoDeltaOf(c.Delta); err != nil {
		return fmt.Errorf("cover: %w", err)
	}
	if c.size() > maxPool {
		return fmt.Errorf("cover: epsilon %v and delta %v take %.0f dummies a pool, must be at most %d", c.Epsilon, c.Delta, c.size(), maxPool)
	}
	return nil
}

func (c Cover) noise() dp.Noise {
	return dp.Noise{Mechanism: dp.Laplace, Epsilon: c.Epsilon, Sensitivity: 1}
}

// Pool returns B, an even number. c must pass [Cover.Check].
//
// The clamp gathers a tail at each end: P(d = 0) = P(d = B) = P(Laplace(1/ε) > B/2 − ½) = ½·e^(−ε(B/2−½)). Where one
// record more makes every d look one less, d = 0 can't be seen any more, and d = B is much likelier than the B−1 that it
// now looks like. Both ends together are at most e^(−ε(B/2−½)), which is δ or less if B/2 ≥ ln(1/δ)/ε + ½.
func (c Cover) Pool() int { return int(c.size()) }

func (c Cover) size() float64 { return 2 * math.Ceil(math.Log(1/c.Delta)/c.Epsilon+0.5) }

// Expected returns how many dummies a party includes on average, and how many tokens of dummies the union has on average.
// c must pass [Cover.Check].
func (c Cover) Expected() (party, union int) {
	b, n := c.Pool(), c.Parties
	// In full, those of each other's subsets that it is in; by half, its own pools, one for each subset of the others.
	party = b*(n-1)<<(n-2) + b/2<<(n-1)
	// All of every pool, but only half of those of the empty subsets.
	union = b*n<<(n-1) - b/2*n
	return party, union
}

// Loss returns what a matching costs a person, to be charged to the ledger of every party: N·ε and N·δ, rounded up, but for what
// floating point adds to them.
func (c Cover) Loss() (dp.Loss, error) {
	if err := c.Check(); err != nil {
		return dp.Loss{}, err
	}
	micro := math.Ceil(float64(c.Parties) * c.Epsilon * 1e6 * (1 - 1e-12))
	atto := float64(c.Parties) * math.Round(c.Delta*1e18) // which is what 10⁻⁹, say, stands for
	loss := dp.Loss{Mechanism: dp.Pure, MicroEpsilon: int64(micro), AttoDelta: int64(min(atto, 1e18))}
	if err := loss.Check(); err != nil {
		return dp.Loss{}, fmt.Errorf("cover: %w", err)
	}
	return loss, nil
}

// Dummy names a dummy: the pool's party, its subset of the others, and a number below [Cover.Pool], all in big-endian order.
// It is hashed to the group under a domain of its own, so that it is no person's id.
type Dummy ids.ID

func dummy(party, others, number int) (d Dummy) {
	binary.BigEndian.PutUint32(d[:], uint32(party))
	binary.BigEndian.PutUint32(d[4:], uint32(others))
	binary.BigEndian.PutUint64(d[8:], uint64(number))
	return d
}

// Draw returns the dummies that a party, 0…Parties−1, includes in one matching, with fresh noise in their number. It must be
// called once for a matching, and none of what it returned may be told to anybody.
func (c Cover) Draw(party int) ([]Dummy, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if party < 0 || party >= c.Parties {
		return nil, fmt.Errorf("cover: party is %d, must be 0 to %d", party, c.Parties-1)
	}
	noise, err := c.noise().Draw(1 << (c.Parties - 1))
	if err != nil {
		return nil, fmt.Errorf("cover: %w", err)
	}
	var drawn []Dummy
	me, pool := 1<<party, c.Pool()
	for owner := range c.Parties {
		for others := range 1 << c.Parties {
			if others&(1<<owner) != 0 || owner != party && others&me == 0 {
				continue
			}
			dummies := make([]Dummy, pool)
			for i := range dummies {
				dummies[i] = dummy(owner, others, i)
			}
			if owner == party {
				shuffle(dummies)
				dummies = dummies[:max(0, min(int64(pool), int64(pool/2)+noise[0]))]
				noise = noise[1:]
			}
			drawn = append(drawn, dummies...)
		}
	}
	return slices.Clip(drawn), nil
}

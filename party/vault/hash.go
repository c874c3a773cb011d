package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sotto-dev/sotto/internal/ids"
)

// Hash is what a node keeps in the place of a customer's id: HMAC-SHA256 (RFC 2104) of the id's 16 bytes, cut to its first 16.
// Without the key nobody can tell whose it is by hashing all the ids that there may be; with it, two of n ids have equal hashes
// with a chance of n²/2¹²⁹.
type Hash = [16]byte

// Hash returns the keyed hash of an id.
func (v *Vault) Hash(id ids.ID) Hash { return v.newHasher().hash(&id) }

// Hashes calls f with the position and the keyed hash of every one of all, from several goroutines at once and in no order. It
// returns when all calls have.
func (v *Vault) Hashes(all []ids.ID, f func(position int, h Hash)) {
	const batch = 1 << 12
	var next atomic.Int64
	work := func() {
		h := v.newHasher()
		for {
			end := int(next.Add(batch))
			begin := end - batch
			if begin >= len(all) {
				return
			}
			for i := begin; i < min(end, len(all)); i++ {
				f(i, h.hash(&all[i]))
			}
		}
	}
	workers := min(runtime.GOMAXPROCS(0), (len(all)+batch-1)/batch)
	if workers <= 1 {
		work()
		return
	}
	var wait sync.WaitGroup
	for range workers {
		wait.Go(work)
	}
	wait.Wait()
}

// hasher hashes one id after the other without allocating.
type hasher struct {
	mac hash.Hash
	id  ids.ID
	sum [sha256.Size]byte
}

func (v *Vault) newHasher() *hasher {
	v.mustBeOpen()
	return &hasher{mac: hmac.New(sha256.New, v.hashes)}
}

func (h *hasher) hash(id *ids.ID) Hash {
	h.id = *id // so that the caller's need not be on the heap
	h.mac.Reset()
	h.mac.Write(h.id[:])
	return Hash(h.mac.Sum(h.sum[:0])[:len(Hash{})])
}

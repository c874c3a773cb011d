package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/sotto-dev/sotto/internal/canon"
)

// StreamHash hashes the blocks between two hops: SHA-256 over (length ‖ block) of each, started with the transcript,
// the chain and the hop that sends, so that no stream stands for another.
type StreamHash struct{ hash hash.Hash }

// NewStreamHash starts the hash of what a hop sends.
func NewStreamHash(transcript [32]byte, chain, hop int) *StreamHash {
	h := sha256.New()
	h.Write(canon.Encode("sotto/v1/stream", struct {
		Transcript [32]byte
		Chain, Hop int64
	}{transcript, int64(chain), int64(hop)}))
	return &StreamHash{h}
}

// Add appends a block.
func (s *StreamHash) Add(block []byte) {
	s.hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block))))
	s.hash.Write(block)
}

// Sum returns the hash of all blocks so far.
func (s *StreamHash) Sum() [32]byte { return [32]byte(s.hash.Sum(nil)) }

package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sotto-dev/sotto/internal/canon"
)

const (
	streamMagic = "sotto/v1/sealed-file\n"
	saltSize    = 32
	headerSize  = len(streamMagic) + len(KeyID{}) + saltSize
	chunkSize   = 64 << 10
)

// streamInfo is what the key of a stream is bound to.
type streamInfo struct{ Context string }

func (v *Vault) streamAEAD(salt []byte, context string) (cipher.AEAD, error) {
	v.mustBeOpen()
	key, err := hkdf.Key(sha256.New, v.streams, salt, string(canon.Encode(streamMagic, streamInfo{context})), KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce is that of the chunk before which a stream has so many others.
func nonce(counter uint64, last bool) []byte {
	var nonce [12]byte
	binary.BigEndian.PutUint64(nonce[3:11], counter)
	if last {
		nonce[11] = 1
	}
	return nonce[:]
}

// Writer seals a stream. It is for one goroutine.
type Writer struct {
	to     io.Writer
	aead   cipher.AEAD
	chunks uint64 // that were sealed
	buf    []byte // of the next one; has room for its tag
	err    error
}

// NewWriter returns a writer that seals what is written to it, for a place that context names as for [Vault.Seal]. The stream is
// whole only once the writer was closed. It is
//
//	21 bytes    "sotto/v1/sealed-file\n"
//	8 bytes     key id
//	32 bytes    random salt
//	            chunks of 64 KiB, the last of which may be shorter, and is empty only if it is the only one; each is
//	            followed by its tag of 16 bytes
//
// The chunks are sealed with AES-256-GCM under a key of the stream's own: HKDF-SHA256 of the streams' secret, with the salt, and
// as info canon.Encode("sotto/v1/sealed-file\n", {Context}). So no two streams have the same key, and none opens under another's
// context. Their nonces are the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (Online authenticated-encryption
// and its nonce-reuse misuse-resistance, CRYPTO 2015): a counter of 11 bytes, big-endian, from 0, and a byte that is 1 in the last
// chunk and 0 before. A nonce is used once, and a stream in which chunks were moved, doubled, left out or added is not opened.
func (v *Vault) NewWriter(to io.Writer, context string) (*Writer, error) {
	var salt [saltSize]byte
	rand.Read(salt[:]) // never fails
	return v.newWriter(to, context, salt[:])
}

func (v *Vault) newWriter(to io.Writer, context string, salt []byte) (*Writer, error) {
	aead, err := v.streamAEAD(salt, context)
	if err != nil {
		return nil, err
	}
	header := append([]byte(streamMagic), v.id[:]...)
	if _, err := to.Write(append(header, salt...)); err != nil {
		return nil, err
	}
	return &Writer{to: to, aead: aead, buf: make([]byte, 0, chunkSize+tagSize)}, nil
}

// Write implements io.Writer. After an error it goes on returning that error.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == chunkSize { // more follows, so it is not the last one
			w.flush(false)
			continue
		}
		took := min(len(p), chunkSize-len(w.buf))
		w.buf = append(w.buf, p[:took]...)
		p, n = p[took:], n+took
	}
	return n, w.err
}

func (w *Writer) flush(last bool) {
	sealed := w.aead.Seal(w.buf[:0], nonce(w.chunks, last), w.buf, nil)
	_, w.err = w.to.Write(sealed)
	w.chunks++
	w.buf = w.buf[:0]
}

// Close seals what is left as the stream's end. It does not close what is written to.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.flush(true)
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("the stream has ended")
	return nil
}

// Reader opens a stream. It is for one goroutine.
type Reader struct {
	from   io.Reader
	aead   cipher.AEAD
	chunks uint64                        // that were opened
	buf    [chunkSize + tagSize + 1]byte // a chunk, and the first byte of the next
	ahead  int                           // 1 if that byte was read
	plain  []byte                        // of buf: what was opened and not yet read
	err    error
}

// NewReader returns a reader of a stream that was sealed for that context. All that it returns was sealed at that place of the
// stream; that the stream is whole is known once it returns io.EOF. Errors, here and of Read, wrap [ErrOtherKey] or [ErrAltered],
// or are those of from.
func (v *Vault) NewReader(from io.Reader, context string) (*Reader, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrAltered
		}
		return nil, err
	}
	rest := header[len(streamMagic):]
	if string(header[:len(streamMagic)]) != streamMagic {
		return nil, fmt.Errorf("%w: it does not begin as sealed files do", ErrAltered)
	}
	if err := v.checkKey(KeyID(rest[:len(v.id)])); err != nil {
		return nil, err
	}
	aead, err := v.streamAEAD(rest[len(v.id):], context)
	if err != nil {
		return nil, err
	}
	return &Reader{from: from, aead: aead}, nil
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 && r.err == nil {
		r.plain, r.err = r.next()
	}
	if len(r.plain) == 0 {
		return 0, r.err
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// next opens a chunk. With the last one it returns io.EOF.
func (r *Reader) next() ([]byte, error) {
	if r.ahead == 1 {
		r.buf[0] = r.buf[len(r.buf)-1]
	}
	n, err := io.ReadFull(r.from, r.buf[r.ahead:])
	last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !last {
		return nil, err
	}
	sealed := r.buf[:r.ahead+n]
	if !last {
		sealed = r.buf[:len(r.buf)-1]
	}
	if last && r.chunks > 0 && len(sealed) <= tagSize { // one encoding only: an empty chunk ends no stream
		return nil, ErrAltered
	}
	plain, err := r.aead.Open(sealed[:0], nonce(r.chunks, last), sealed, nil)
	if err != nil {
		return nil, ErrAltered
	}
	r.chunks++
	r.ahead = 1
	if last {
		return plain, io.EOF
	}
	return plain, nil
}

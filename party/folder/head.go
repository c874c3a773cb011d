package folder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sotto-dev/sotto/internal/canon"
)

// errShort says of a sealed file that it ends too early, which nobody without the key can have brought about.
var errShort = errors.New("it is malformed: shorter than it says")

// ReadFull fills b with what comes next in a file. If that is less, the error says that the file is malformed.
func ReadFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

// MaxHead is the largest number of bytes in a head.
const MaxHead = 1 << 12

// AppendHead appends what a file may begin with: a length in 4 bytes, big-endian, and as many bytes of canon.Encode. More than
// [MaxHead] are an error.
func AppendHead(out []byte, domain string, head any) ([]byte, error) {
	encoded := canon.Encode(domain, head)
	if len(encoded) > MaxHead {
		return nil, fmt.Errorf("a head of %d bytes, must be at most %d", len(encoded), MaxHead)
	}
	return append(binary.BigEndian.AppendUint32(out, uint32(len(encoded))), encoded...), nil
}

// ReadHead reads what [AppendHead] appended into the struct that head points to.
func ReadHead(r io.Reader, domain string, head any) error {
	var size [4]byte
	if err := ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > MaxHead {
		return fmt.Errorf("it is malformed: a head of %d bytes, at most %d", n, MaxHead)
	}
	encoded := make([]byte, n)
	if err := ReadFull(r, encoded); err != nil {
		return err
	}
	return canon.Decode(domain, encoded, head)
}

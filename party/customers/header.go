package customers

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLine is the most bytes that a line of a source may have: far above what a customer takes, far below what hurts.
const maxLine = 1 << 18

// header is what the first line of a file says.
type header struct {
	delimiter rune
	columns   []string // names as written
}

// readHeader reads the first line of f. The delimiter is the first of comma, semicolon, tab and bar under which there are all
// columns that must be there.
func readHeader(f *os.File, must []string) (header, error) {
	start := make([]byte, maxLine+1)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return header{}, err
	}
	start = bytes.TrimPrefix(start[:n], []byte("\ufeff"))
	start = bytes.ReplaceAll(start, []byte("\r\n"), []byte("\n"))
	start = bytes.ReplaceAll(start, []byte("\r"), []byte("\n"))
	line, _, whole := bytes.Cut(start, []byte("\n"))
	switch {
	case len(bytes.TrimSpace(start)) == 0:
		return header{}, errors.New("is empty")
	case len(bytes.TrimSpace(line)) == 0:
		return header{}, errors.New("line 1: empty, must be the names of the columns")
	case !whole && n > maxLine:
		return header{}, &fileError{line: "1", rule: fmt.Sprintf("longer than %d bytes", maxLine)}
	case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
		return header{}, errors.New("line 1: not text in UTF-8")
	}
	var best header
	for _, delimiter := range ",;\t|" {
		columns, err := splitHeader(start, delimiter)
		if err != nil {
			continue
		}
		h := header{delimiter, columns}
		if !slices.ContainsFunc(must, func(name string) bool { return !h.has(name) }) {
			return h, nil
		}
		if len(columns) > len(best.columns) {
			best = h
		}
	}
	if best.columns == nil {
		return header{}, errors.New("line 1: broken quoting (RFC 4180)")
	}
	return best, nil // what is missing is reported by whoever needs it
}

func (h header) has(name string) bool {
	return slices.ContainsFunc(h.columns, func(c string) bool { return strings.EqualFold(c, name) })
}

func splitHeader(start []byte, delimiter rune) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(start))
	r.Comma = delimiter
	columns, err := r.Read()
	if err == nil && slices.ContainsFunc(columns, func(c string) bool { return strings.ContainsRune(c, 0) }) {
		err = errors.New("zero byte")
	}
	return columns, err
}

// lineNotUTF8 returns the first line of a file that is not UTF-8, counted from 1, or 0 if all lines are.
func lineNotUTF8(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 2*maxLine)
	for n := 1; lines.Scan(); n++ {
		if !utf8.Valid(lines.Bytes()) {
			return n
		}
	}
	return 0
}

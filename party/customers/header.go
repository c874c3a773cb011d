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
	identity  int      // index of the column with the ids
}

// readHeader reads the first line of f. The delimiter is the first of comma, semicolon, tab and bar under which there is a
// column called identity. Names are compared as SQL does, without regard to case.
func readHeader(f *os.File, identity string) (header, error) {
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
		return header{}, &fileError{"1", fmt.Sprintf("longer than %d bytes", maxLine)}
	case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
		return header{}, errors.New("line 1: not text in UTF-8")
	}
	var best header
	for _, delimiter := range ",;\t|" {
		columns, err := splitHeader(start, delimiter)
		if err != nil {
			continue
		}
		h := header{delimiter, columns, slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, identity) })}
		if h.identity >= 0 {
			return h, h.checkUnique(identity)
		}
		if len(columns) > len(best.columns) {
			best = h
		}
	}
	if best.columns == nil {
		return header{}, errors.New("line 1: broken quoting (RFC 4180)")
	}
	return header{}, fmt.Errorf("no column %q; its columns are %s", identity, listed(best.columns))
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

// checkUnique returns an error if name is the name of two columns: then nobody knows which one is meant.
func (h header) checkUnique(name string) error {
	count := 0
	for _, c := range h.columns {
		if strings.EqualFold(c, name) {
			count++
		}
	}
	if count > 1 {
		return fmt.Errorf("%d columns are called %q, names must differ (in more than case)", count, name)
	}
	return nil
}

// listed returns the names for a message, not too many of them.
func listed(names []string) string {
	const most = 40
	quoted := make([]string, 0, most)
	for i, name := range names {
		if i == most {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(names)-most)
		}
		quoted = append(quoted, fmt.Sprintf("%.80q", name))
	}
	return strings.Join(quoted, ", ")
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

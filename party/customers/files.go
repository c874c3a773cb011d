package customers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
)

// files are those of a source, sorted by name, as they were when they were first looked at.
type files struct {
	paths  []string // absolute
	before []fs.FileInfo
}

// findFiles returns the files that a path or a pattern (filepath.Match) names, at least one.
func findFiles(pattern string) (files, error) {
	refuse := func(kind fault.Kind, path string, why any) (files, error) {
		if path != pattern {
			why = fmt.Sprintf("%s: %v", filepath.Base(path), why)
		}
		return files{}, &sourceError{kind: kind, reason: fmt.Sprint(why)}
	}
	paths := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		var err error
		if paths, err = filepath.Glob(pattern); err != nil {
			return refuse(fault.Invalid, pattern, "not a pattern: "+err.Error())
		}
		if len(paths) == 0 {
			return refuse(fault.NotFound, pattern, "no file fits the pattern")
		}
	}
	var found files
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return refuse(fault.Invalid, path, err)
		}
		if strings.ContainsAny(absolute, "*?[") {
			return refuse(fault.Invalid, path, "a path with *, ? or [, which DuckDB would take for a pattern")
		}
		info, err := os.Stat(absolute)
		if errors.Is(err, fs.ErrNotExist) {
			return refuse(fault.NotFound, path, "no such file")
		} else if err != nil {
			return refuse(fault.Invalid, path, errors.Unwrap(err))
		}
		if !info.Mode().IsRegular() {
			return refuse(fault.Invalid, path, "not a file")
		}
		found.paths, found.before = append(found.paths, absolute), append(found.before, info)
	}
	return found, nil
}

// unchanged returns an error if a file is not the one that it was before, or was written to since. They are read two or three
// times, so that a snapshot of a file that changes could be of no version of it.
func (f files) unchanged() error {
	for i, before := range f.before {
		after, err := os.Stat(f.paths[i])
		if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
			return &sourceError{fault.Invalid, "changed while it was read", "write a new file and rename it over the old one"}
		}
	}
	return nil
}

// called returns how messages about one of several files begin; "" if path is none of them.
func (f files) called(path string) string {
	if len(f.paths) < 2 || !slices.Contains(f.paths, path) {
		return ""
	}
	return filepath.Base(path) + ": "
}

// list returns the paths as a list in SQL.
func (f files) list() string {
	quoted := make([]string, len(f.paths))
	for i, path := range f.paths {
		quoted[i] = quoteText(path)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

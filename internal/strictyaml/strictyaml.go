// Package strictyaml reads the files that people write for Sotto: one YAML document, small, in which a key that nobody
// knows is an error and not a silently ignored wish.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the most bytes that a file may have. Files written by hand have a few thousand.
const MaxSize = 1 << 20

// Load reads the file at path into the struct that into points to, as [Decode] does.
func Load(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err // names the path and the reason
	}
	defer f.Close()
	return Decode(path, f, into)
}

// Decode reads one YAML document from r into the struct that into points to, by its yaml tags. Keys without a field,
// repeated keys, values of another type, empty items of lists, keys without a value, a second document, an empty file and more than [MaxSize]
// bytes are errors.
// Errors begin with name, the file's name, and say the line wherever YAML knows it.
func Decode(name string, r io.Reader, into any) error {
	content, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(content) > MaxSize {
		return fmt.Errorf("%s: larger than %d bytes", name, MaxSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: is empty", name)
	} else if err != nil {
		return explain(name, err, into)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return fmt.Errorf("%s:%d: a second YAML document, where one is expected", name, second.Line)
	} else if !errors.Is(err, io.EOF) {
		return explain(name, err, into)
	}
	return checkItems(name, content)
}

// checkItems refuses empty items of lists and keys without a value, which the YAML library leaves out without a word: a limit
// whose number was forgotten must not stand for no limit.
func checkItems(name string, content []byte) error {
	var find func(n *yaml.Node) error
	find = func(n *yaml.Node) error {
		for i, child := range n.Content {
			if child.ShortTag() == "!!null" {
				switch {
				case n.Kind == yaml.SequenceNode:
					return fmt.Errorf("%s:%d: an empty item in a list", name, child.Line)
				case n.Kind == yaml.MappingNode && i%2 == 1:
					return fmt.Errorf("%s:%d: key %q has no value; leave it out to mean none", name, child.Line, n.Content[i-1].Value)
				}
			}
			if err := find(child); err != nil {
				return err
			}
		}
		return nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return find(&document)
}

var (
	lineOf     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownKey = regexp.MustCompile(`^field (.*) not found in type (\S+)$`)
)

// explain rewrites what the YAML library says: file and line in front, keys instead of Go fields. Each of its findings is
// a line of the error.
func explain(name string, err error, into any) error {
	findings := []string{err.Error()}
	var mismatch *yaml.TypeError
	if errors.As(err, &mismatch) {
		findings = mismatch.Errors
	}
	for i, finding := range findings {
		where, what := name, strings.TrimPrefix(finding, "yaml: ")
		if m := lineOf.FindStringSubmatch(finding); m != nil {
			where, what = name+":"+m[1], m[2]
		}
		if m := unknownKey.FindStringSubmatch(what); m != nil {
			what = fmt.Sprintf("unknown key %q%s", m[1], suggest(m[1], keysOf(into, m[2])))
		}
		findings[i] = where + ": " + what
	}
	return errors.New(strings.Join(findings, "\n"))
}

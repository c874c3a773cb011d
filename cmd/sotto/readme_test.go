package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// README.md says what happens. Its transcripts are run, in order, and must say the same again, but for numbers, which
// have noise, and keys, identifiers and ports, which are new each time. A prompt "bank$" is the shell of a machine of that
// name, in a folder with the files of examples/two-companies/bank; "$" is the repository's own.
func TestREADME(t *testing.T) {
	r := &transcript{t: t, dir: t.TempDir(), shells: map[string]*shell{}, actual: map[string]string{}}
	blocks := codeBlocks(t, "README.md")
	for _, b := range blocks {
		if b.language == "console" {
			r.prepare(b)
		}
	}
	for _, b := range blocks {
		switch name, isFile := strings.CutPrefix(firstLine(b.text), "# "); {
		case b.language == "console":
			r.run(b)
		case b.language == "yaml" && name == "agreement.yaml":
			r.giveToAll(name, b.text)
		case isFile && b.language != "sh":
			checkQuoted(t, b, name, strings.TrimPrefix(b.text, firstLine(b.text)))
		case b.language == "go":
			checkQuoted(t, b, "examples/overlap/main.go", b.text)
		}
	}
}

// The Chinese README is shorter than the English one; what it shows is the same.
func TestREADMEsAgree(t *testing.T) {
	english := codeBlocks(t, "README.md")
	for _, b := range codeBlocks(t, "README.zh-CN.md") {
		at := slices.IndexFunc(english, func(e codeBlock) bool { return e.text == b.text })
		if at < 0 {
			t.Errorf("%s:%d: README.md has no such block, or has it earlier", b.file, b.line)
			continue
		}
		english = english[at+1:]
	}
}

// Links within the repository lead somewhere.
func TestREADMELinks(t *testing.T) {
	for _, file := range []string{"README.md", "README.zh-CN.md", "SECURITY.md"} {
		text, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(repository, string(link[1]))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// codeBlock is what stands between two lines of three backticks.
type codeBlock struct {
	file           string
	line           int // of its first line
	language, text string
}

func codeBlocks(t *testing.T, file string) (blocks []codeBlock) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```")
	line := 1
	for i, part := range parts {
		if i%2 == 1 {
			language, inside, _ := strings.Cut(part, "\n")
			blocks = append(blocks, codeBlock{file, line + 1, language, inside})
		}
		line += strings.Count(part, "\n")
	}
	return blocks
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// checkQuoted checks that a block is a part of a file, word for word.
func checkQuoted(t *testing.T, b codeBlock, file, part string) {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil || !strings.Contains(string(whole), strings.TrimSpace(part)) {
		t.Errorf("%s:%d: is not in %s (%v)", b.file, b.line, file, err)
	}
}

// transcript runs console blocks.
type transcript struct {
	t      *testing.T
	dir    string            // has a folder per machine
	shells map[string]*shell // by prompt, without the $
	actual map[string]string // keys, identifiers and addresses of this run, by those in README.md
}

var prompt = regexp.MustCompile(`^([a-z]*)\$ (.*)$`)

// prepare makes the folders of the machines that a block mentions, and starts their shells.
func (r *transcript) prepare(b codeBlock) {
	for line := range strings.Lines(b.text) {
		match := prompt.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil || r.shells[match[1]] != nil {
			continue
		}
		dir := repository
		if machine := match[1]; machine != "" {
			dir = filepath.Join(r.dir, machine)
			if err := os.Mkdir(dir, 0o700); err != nil {
				r.t.Fatal(err)
			}
			files := filepath.Join(repository, "examples/two-companies", machine)
			if _, err := os.Stat(files); err == nil {
				if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
					r.t.Fatal(err)
				}
			}
		}
		r.shells[match[1]] = newShell(r.t, dir)
	}
}

// run runs the commands of a block; what stands below a command, up to the next prompt, is what it must say.
func (r *transcript) run(b codeBlock) {
	lines := strings.Split(strings.TrimSuffix(b.text, "\n"), "\n")
	for i := 0; i < len(lines); {
		at, match := b.line+i, prompt.FindStringSubmatch(lines[i])
		if match == nil {
			r.t.Fatalf("%s:%d: want a prompt, not %q", b.file, at, lines[i])
		}
		command := match[2]
		for i++; strings.HasSuffix(command, `\`); i++ {
			command += "\n" + lines[i]
		}
		var want []string
		for ; i < len(lines) && !prompt.MatchString(lines[i]); i++ {
			want = append(want, lines[i])
		}
		got := r.shells[match[1]].run(r.translate(strings.Replace(command, "make demo", "sotto demo", 1)))
		if !r.same(strings.Join(want, "\n"), got) {
			r.t.Errorf("%s:%d: %s\nsays:\n%s\nand not:\n%s", b.file, at, command, got, strings.Join(want, "\n"))
		}
	}
}

func (r *transcript) giveToAll(name, text string) {
	for machine := range r.shells {
		if machine == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(r.dir, machine, name), []byte(r.translate(text)), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// generated are the names that differ from run to run: keys, hashes, addresses.
var generated = regexp.MustCompile(`ed25519:[A-Za-z0-9_-]{43}|\b[0-9a-f]{64}\b|localhost:\d+`)

// translate puts the names of this run in the place of README.md's.
func (r *transcript) translate(text string) string {
	return generated.ReplaceAllStringFunc(text, func(name string) string {
		if _, known := r.actual[name]; !known && strings.HasPrefix(name, "localhost:") {
			address, err := freeAddress()
			if err != nil {
				r.t.Fatal(err)
			}
			r.actual[name] = address
		}
		if actual, known := r.actual[name]; known {
			return actual
		}
		return name
	})
}

var (
	// A terminal shows these stages as a bar, which is gone when the answer is there.
	stage = regexp.MustCompile(`(?m)^(queued|prepare|open|contribute|release|tokens|slots|keep|done)\n`)
	// Also days, times of day, and beginnings of hashes.
	number = regexp.MustCompile(`^(\(?)-?[0-9][0-9.,]*(e-?[0-9]+)?[),;]*$|^\d+-\d\d-\d\d$|^\d\d:\d\d:\d\d$|^[0-9a-f]{8}[),;]*$`)
)

// same compares what README.md shows with what was said. A generated name that README.md shows for the first time stands
// for the one that was said in its place from then on.
func (r *transcript) same(want, got string) bool {
	got = stage.ReplaceAllString(got, "")
	theirs, ours := generated.FindAllString(want, -1), generated.FindAllString(got, -1)
	if len(theirs) == len(ours) {
		for i, name := range theirs {
			if _, known := r.actual[name]; !known {
				r.actual[name] = ours[i]
			}
		}
	}
	return masked(r.translate(want)) == masked(got)
}

// masked replaces numbers that stand alone, and makes blanks alike.
func masked(text string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		for i, word := range words {
			if number.MatchString(word) {
				words[i] = "N"
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

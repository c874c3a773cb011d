package simulation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/subjects"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// numbersOf calls see with every number in a message, and every piece of bytes.
func numbersOf(m protoreflect.Message, number func(int64), piece func([]byte)) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		one := func(v protoreflect.Value) {
			switch field.Kind() {
			case protoreflect.MessageKind:
				numbersOf(v.Message(), number, piece)
			case protoreflect.BytesKind:
				piece(v.Bytes())
			case protoreflect.StringKind:
				piece([]byte(v.String()))
			case protoreflect.Int64Kind:
				number(v.Int())
			case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
				number(int64(v.Uint()))
			}
		}
		if field.IsList() {
			for i := range value.List().Len() {
				one(value.List().Get(i))
			}
			return true
		}
		one(value)
		return true
	})
}

// TestMatchingLeaksNothing guards what anybody sees of a matching but the parties themselves: no id of a customer, and no exact number
// of them, is in any message, on either end of the wires, in a log, in an error or what the analyst is told, or in clear in a file.
func TestMatchingLeaksNothing(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 650})
	counts := map[string]int64{"bank's customers": 1_137, "cinema's customers": 1_061, "both's customers": 1_013, "everybody": 1_137 + 1_061 - 1_013}
	c.again(func() {
		c.people = nil
		for i := range int(counts["everybody"]) {
			id, _ := ids.Normalizer{Type: ids.Opaque}.ID(written(i))
			c.people = append(c.people, person{id: id, knows: []customer{{is: i < 1_137}, {is: i >= 1_137-1_013}}})
		}
	})
	c.back()
	var mu sync.Mutex
	var said bytes.Buffer // errors, and what the analyst is told
	messages, wrong := 0, map[string]bool{}
	pieces := map[string][]byte{}
	for _, end := range []*tap{c.tap, c.ends} {
		for _, inward := range []bool{to, from} {
			end.on(inward, "", "", watching(func(m message) {
				mu.Lock()
				defer mu.Unlock()
				messages++
				numbersOf(m.body.ProtoReflect(), func(n int64) {
					for what, count := range counts {
						if n == count {
							wrong[fmt.Sprintf("%s %s: %s is %d", m.node, m.method, what, n)] = true
						}
					}
				}, func(piece []byte) {
					if !strings.HasPrefix(m.method, "Match") {
						return
					}
					for what, count := range counts {
						if bytes.Contains(piece, binary.BigEndian.AppendUint64(nil, uint64(count))) || bytes.Contains(piece, binary.LittleEndian.AppendUint64(nil, uint64(count))) {
							wrong[fmt.Sprintf("%s %s: bytes have %s", m.node, m.method, what)] = true
						}
					}
				})
				encoded, err := proto.Marshal(m.body)
				c.must(err)
				pieces[fmt.Sprintf("message %d, %s %s", messages, m.node, m.method)] = encoded
			}))
		}
	}
	tell := func(result any, err error) {
		told, _ := json.Marshal(result)
		fmt.Fprintf(&said, "%s %v %+v\n", told, err, err)
	}
	m, err := c.match()
	c.must(err)
	tell(m, err)
	tell(c.analysts[0].Catalog(context.Background()))
	for i, breaks := range []moment{matchMoments[1], matchMoments[6], matchMoments[9], matchMoments[13]} {
		c.ends.on(breaks.inward, partyNames[i%2], breaks.method, as(func(body proto.Message) {
			switch body := body.(type) {
			case *sottov1.ListPart:
				if chunk := body.GetChunk(); chunk != nil {
					chunk[len(chunk)/2] ^= 1
				}
			case *sottov1.MatchReceiveRequest:
				if chunk := body.GetPart().GetChunk(); chunk != nil {
					body.GetPart().GetPart().(*sottov1.ListPart_Chunk).Chunk = chunk[:len(chunk)-32]
				}
			default:
				proto.Reset(body)
			}
		}))
		result, err := c.match()
		tell(result, err)
		c.ends.mu.Lock()
		c.ends.rules = c.ends.rules[:2]
		c.ends.mu.Unlock()
		c.tidy()
	}
	heard, err := c.party("bank").node.Hear("desk", subjects.Erase, "", ids.Opaque, []string{written(0), written(800)}, c.now())
	tell(heard, err)
	_, err = c.match()
	c.must(err)
	tell(c.ask(c.everybody()))
	c.tap.clear()
	c.ends.clear()
	c.tidy()
	if messages < 200 || strings.Count(said.String(), "\n") < 8 {
		t.Fatalf("only %d messages were seen, and said was %s", messages, &said)
	}
	for what := range wrong {
		t.Error(what)
	}

	log := c.log.String()
	texts := map[string]string{"what is said": said.String(), "the log": log}
	for _, p := range c.parties {
		c.must(filepath.WalkDir(p.folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			pieces[path] = content
			return err
		}))
	}
	pieces["what is said"], pieces["the log"] = said.Bytes(), []byte(log)
	if !strings.Contains(log, "matching failed") || !strings.Contains(log, "matching done") {
		t.Fatal("the log does not tell of matchings")
	}
	secrets := map[string][]byte{}
	for _, i := range []int{0, 1, 400, 800, 1_000, 1_136, 1_137, 1_184} {
		id := c.people[i].id
		secrets[written(i)] = []byte(written(i))
		secrets[written(i)+" as bytes"] = id[:8]
		secrets[written(i)+" in hex"] = []byte(hex.EncodeToString(id[:8]))
		secrets[written(i)+" in base64"] = []byte(base64.StdEncoding.EncodeToString(id[:9]))
	}
	for where, piece := range pieces {
		for what, secret := range secrets {
			if bytes.Contains(piece, secret) {
				t.Errorf("%s has %s", where, what)
			}
		}
	}
	for where, text := range texts {
		for what, count := range counts { // alone, not within a longer number, a hash, a fraction or a time
			alone := regexp.MustCompile(fmt.Sprintf(`(?:^|[^0-9a-f.:])%d(?:[^0-9a-fmnµs.]|$)`, count))
			if at := alone.FindString(text); at != "" {
				t.Errorf("%s has the number of %s: %q", where, what, at)
			}
		}
	}
}

package query
import ("testing";"fmt";"strings";"time")
func TestZZ(t *testing.T){
 for n, s := range map[string]string{"paren": strings.Repeat("(", 4000), "parenfull": strings.Repeat("(", 2000)+"a.b"+strings.Repeat(")", 2000),"bang": strings.Repeat("!", 4090)+"a.b", "p60": strings.Repeat("(", 60)+"a.b"+strings.Repeat(")", 60), "brk": strings.Repeat("[", 4000), "cond": strings.Repeat("a?", 2000), "cond2": strings.Repeat("a?a:", 1000)+"a", "dots": "a"+strings.Repeat(".a", 2000), "and": strings.Repeat("a.b&&", 800)+"a.b","or": strings.Repeat("a.b&&b.c||", 400)+"a.b", "curly": strings.Repeat("{a:", 1300), "minus": strings.Repeat("-", 4000)+"1", "nestnot": strings.Repeat("!(", 1000)+"a.b"+strings.Repeat(")", 1000),"junk": strings.Repeat("& ", 2000), "nl": strings.Repeat("\n", 4000)+"&", "junk2": strings.Repeat("a b ", 1000), "str": strings.Repeat("'\\z'", 800), "list": "a.b in ["+strings.Repeat("'x',", 1000)+"]", "eq": strings.Repeat("a.b==", 800)+"'x'", "plus": strings.Repeat("a+", 2000)+"a", "call": strings.Repeat("a(", 2000), "and40": strings.Repeat("(a.b&&", 40)+"a.b"+strings.Repeat(")", 40),"and20": strings.Repeat("(a.b&&", 20)+"a.b"+strings.Repeat(")", 20), "not25":strings.Repeat("!(", 25)+"a.b"+strings.Repeat(")", 25)} {
  at := time.Now()
  e, err := ParseAudience(s)
  d := time.Since(at)
  if err != nil { x := err.Error(); fmt.Printf("%v %q %d\n    %.300q\n", d, n, len(x), x) } else { fmt.Printf("%v %q OK %.100v\n", d, n, *e) }
 }
}

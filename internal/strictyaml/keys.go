package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// keysOf returns the YAML keys of the struct type that is called name and is reachable from into.
func keysOf(into any, name string) []string {
	seen := map[reflect.Type]bool{}
	var find func(t reflect.Type) []string
	find = func(t reflect.Type) []string {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Array {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return nil
		}
		seen[t] = true
		if t.String() == name {
			return fieldKeys(t)
		}
		for i := range t.NumField() {
			if keys := find(t.Field(i).Type); keys != nil {
				return keys
			}
		}
		return nil
	}
	return find(reflect.TypeOf(into))
}

// fieldKeys returns the keys of t's own fields and of those that are inlined into it.
func fieldKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported() && !field.Anonymous || key == "-":
		case strings.Contains(options, "inline") && field.Type.Kind() == reflect.Struct:
			keys = append(keys, fieldKeys(field.Type)...)
		case key != "":
			keys = append(keys, key)
		default:
			keys = append(keys, strings.ToLower(field.Name))
		}
	}
	return keys
}

// suggest names the key that was likely meant, or else all there are.
func suggest(key string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, nearest) <= (len(key)+1)/2 {
		return fmt.Sprintf(", did you mean %q?", nearest)
	}
	return ", known here: " + strings.Join(known, ", ")
}

// distance is the number of bytes to insert, delete or replace that turns a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			row[j+1] = min(above, row[j]) + 1
			if a[i] == b[j] {
				row[j+1] = min(row[j+1], diagonal)
			} else {
				row[j+1] = min(row[j+1], diagonal+1)
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

package protocol_test

import (
	"fmt"
	"reflect"
)

// mutations calls visit once for every single change of every field that a value has, however deep: another number, a
// longer text, an element more or less; and puts the value back each time.
func mutations(v reflect.Value, path string, visit func(path string)) {
	original := reflect.New(v.Type()).Elem()
	original.Set(v)
	try := func(changed reflect.Value, what string) {
		v.Set(changed)
		visit(path + what)
		v.Set(original)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			mutations(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		for _, i := range []int{0, v.Len() - 1} {
			v.Index(i).SetUint(v.Index(i).Uint() ^ 1)
			visit(fmt.Sprintf("%s[%d]", path, i))
			v.Set(original)
		}
	case reflect.Slice:
		try(reflect.Append(original.Slice3(0, v.Len(), v.Len()), reflect.Zero(v.Type().Elem())), "+1")
		if v.Len() > 0 {
			try(original.Slice(0, v.Len()-1), "-1")
		}
		for i := range v.Len() {
			mutations(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.String:
		try(reflect.ValueOf(v.String()+"x"), "")
	case reflect.Float64:
		try(reflect.ValueOf(v.Float()+1e-9), "")
	case reflect.Int64:
		try(reflect.ValueOf(v.Int()+1), "")
	case reflect.Bool:
		try(reflect.ValueOf(!v.Bool()), "")
	case reflect.Uint8:
		try(reflect.ValueOf(uint8(v.Uint()^1)), "")
	default:
		panic("a field of a type that the test does not know: " + v.Type().String())
	}
}

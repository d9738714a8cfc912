// Built-ins that go through a length without asking the engine whether they may: they pay for it in steps first, which
// the engine counts and ends. Evaluated once in each context.
(function (mostLength) {
  'use strict';
  var defineProperty = Object.defineProperty;
  var describe = Object.getOwnPropertyDescriptor;
  var prototypeOf = Object.getPrototypeOf;
  var apply = Reflect.apply;
  var isArray = Array.isArray;
  var functionCall = Function.prototype.call;
  var RealRegExp = RegExp;
  var View = prototypeOf(Uint8Array.prototype);
  var viewLength = describe(View, 'length').get;

  // A unit is about a nanosecond. What is short is free: the engine asks once in ten thousand calls anyway.
  function pay(units) {
    for (; units > 4096; units -= 512) {}
  }

  // A length that cannot be another one when it is looked at again.
  function lengthOf(thing) {
    if (isArray(thing)) {
      return thing.length;
    }
    if (thing === null || (typeof thing !== 'object' && typeof thing !== 'function')) {
      return 0;
    }
    for (var at = thing; at !== null; at = prototypeOf(at)) {
      var told = describe(at, 'length');
      if (told !== undefined) {
        if (typeof told.value === 'number') {
          return told.value;
        }
        if (told.get === viewLength) {
          return apply(viewLength, thing, []);
        }
        throw new TypeError('a length must be a plain number');
      }
    }
    return 0;
  }

  function elements(name, thing) {
    var length = lengthOf(thing);
    if (length > mostLength) {
      throw new RangeError(name + ': longer than ' + mostLength);
    }
    return length;
  }

  // Replaces a method by what `wrap` makes of it; the former one is then out of the script's reach.
  function replace(target, name, wrap) {
    var told = describe(target, name);
    if (told === undefined || typeof told.value !== 'function') {
      return;
    }
    var original = told.value;
    defineProperty(original, 'call', { value: functionCall });
    var paying = wrap(original);
    defineProperty(paying, 'name', { value: original.name, configurable: true });
    defineProperty(paying, 'length', { value: original.length, configurable: true });
    defineProperty(target, name, { value: paying, writable: true, enumerable: false, configurable: true });
  }

  // `measure` gives the number of elements of `this`; each costs `units`.
  function list(target, measure, names, units) {
    var free = Math.min(4096 / units, mostLength);
    names.forEach(function (name) {
      replace(target, name, function (original) {
        return {
          paying(a, b, c) {
            if (!isArray(this) || this.length > free) {
              pay(measure(name, this) * units);
            }
            return original.call(this, a, b, c);
          }
        }.paying;
      });
    });
  }

  // The same where a last argument that is undefined is not one that is missing.
  function counted(target, measure, names, units) {
    names.forEach(function (name) {
      replace(target, name, function (original) {
        return {
          paying(...given) {
            var length = measure(name, this);
            for (var index = 0; index < given.length; index += 1) {
              length += name === 'concat' ? measure(name, given[index]) : 1;
            }
            pay(length * units);
            return apply(original, this, given);
          }
        }.paying;
      });
    });
  }

  // --- Arrays. Those that call a function for each element ask the engine at each. ---

  list(Array.prototype, elements, ['copyWithin', 'fill', 'includes', 'indexOf', 'reverse', 'shift', 'slice', 'toReversed', 'with'], 4);
  list(Array.prototype, elements, ['keys', 'values', 'entries'], 32);
  list(Array.prototype, elements, ['toLocaleString'], 256);
  list(Array.prototype, elements, ['sort', 'toSorted'], 512);
  counted(Array.prototype, elements, ['concat', 'lastIndexOf', 'splice', 'toSpliced', 'unshift'], 4);
  defineProperty(Array.prototype, Symbol.iterator, { value: Array.prototype.values, writable: true, enumerable: false, configurable: true });
  replace(Array.prototype, 'join', function (original) {
    return {
      join(between) {
        var text = between === undefined ? ',' : String(between);
        pay(elements('join', this) * (128 + text.length));
        return original.call(this, text);
      }
    }.join;
  });
  function flatten(into, from, depth) {
    var length = elements('flat', from);
    for (var index = 0; index < length; index += 1) {
      if (index in from) {
        if (depth > 0 && isArray(from[index])) {
          flatten(into, from[index], depth - 1);
        } else {
          into.push(from[index]);
        }
      }
    }
    return into;
  }
  replace(Array.prototype, 'flat', function () {
    return { flat(depth) { return flatten([], this, depth === undefined ? 1 : Math.trunc(depth)); } }.flat;
  });
  var map = Array.prototype.map;
  replace(Array.prototype, 'flatMap', function () {
    return { flatMap(each, self) { return flatten([], apply(map, this, [each, self]), 1); } }.flatMap;
  });
  replace(Array, 'from', function (original) {
    return {
      from(...given) {
        if (given[0] !== undefined && given[0] !== null && typeof given[0] !== 'string' && typeof given[0][Symbol.iterator] !== 'function') {
          pay(elements('from', given[0]) * 32);
        }
        return apply(original, this, given);
      }
    }.from;
  });

  // --- Typed arrays: memory bounds their lengths. ---

  function size(name, thing) {
    return apply(viewLength, thing, []);
  }
  list(View, size, ['copyWithin', 'fill', 'includes', 'indexOf', 'reverse', 'slice', 'toReversed', 'with'], 1);
  list(View, size, ['keys', 'values', 'entries'], 32);
  list(View, size, ['join', 'toLocaleString'], 128);
  list(View, size, ['sort', 'toSorted'], 128);
  counted(View, size, ['lastIndexOf'], 1);
  defineProperty(View, Symbol.iterator, { value: View.values, writable: true, enumerable: false, configurable: true });
  replace(View, 'set', function (original) {
    return {
      set(from, offset) {
        pay(lengthOf(from) * 16);
        return original.call(this, from, offset);
      }
    }.set;
  });

  // --- Text. ---

  function characters(name, thing) {
    return typeof thing === 'string' ? thing.length : thing === undefined || thing === null ? 0 : String(thing).length;
  }
  list(String.prototype, characters, ['trim', 'trimStart', 'trimEnd', 'trimLeft', 'trimRight', 'isWellFormed', 'toWellFormed'], 1);
  list(String.prototype, characters, ['toLowerCase', 'toUpperCase', 'toLocaleLowerCase', 'toLocaleUpperCase', 'localeCompare'], 16);
  list(String.prototype, characters, ['normalize', Symbol.iterator], 64);
  ['indexOf', 'lastIndexOf', 'includes', 'split', 'replace', 'replaceAll'].forEach(function (name) {
    var each = name === 'split' || name === 'replace' || name === 'replaceAll' ? 64 : 1;
    replace(String.prototype, name, function (original) {
      return {
        paying(sought, second) {
          if (typeof sought === 'object' && sought !== null && !(sought instanceof RealRegExp)) {
            sought = String(sought);
          }
          pay(characters(name, this) * (typeof sought === 'string' ? each + sought.length : each));
          return original.call(this, sought, second);
        }
      }.paying;
    });
  });
  replace(String.prototype, 'repeat', function (original) {
    return {
      repeat(count) {
        count = Number(count);
        pay(characters('repeat', this) * count);
        return original.call(this, count);
      }
    }.repeat;
  });
  ['padStart', 'padEnd'].forEach(function (name) {
    replace(String.prototype, name, function (original) {
      return {
        paying(length, filler) {
          length = Number(length);
          pay(length);
          return original.call(this, length, filler);
        }
      }.paying;
    });
  });
  // Every search goes through this one; it asks the engine at each ten thousandth step back, counted anew each time.
  replace(RegExp.prototype, 'exec', function (original) {
    return {
      exec(text) {
        pay(40960);
        return original.call(this, text);
      }
    }.exec;
  });

  // --- JSON: a function for each value asks at each, however often one is there. ---

  function same(key, value) {
    return value;
  }
  replace(JSON, 'stringify', function (original) {
    return {
      stringify(value, replacer, space) {
        if (typeof replacer === 'function') {
          return original.call(this, value, replacer, space);
        }
        var told = original.call(this, value, same, space);
        return isArray(replacer) ? original.call(this, value, replacer, space) : told;
      }
    }.stringify;
  });
  replace(JSON, 'parse', function (original) {
    return {
      parse(text, reviver) {
        text = String(text);
        pay(text.length * 16);
        return original.call(this, text, reviver);
      }
    }.parse;
  });
})

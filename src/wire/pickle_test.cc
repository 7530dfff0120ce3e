#include "wire/pickle.h"

#include <gtest/gtest.h>

#include "wire/pickle_text.h"

namespace ferry::pickle {
namespace {

using namespace std::string_literals;

Result<Document> run(std::string_view bytes) {
  Options options;
  options.resolve = [](std::string_view module, std::string_view name) -> Result<int> {
    if (module == "collections" || module == "builtins") return 7;
    return unsupported(concat("no such thing as ", name));
  };
  return read(std::as_bytes(std::span(bytes)), options);
}

std::string refusal(std::string_view bytes) {
  const auto document = run(bytes);
  return document.ok() ? "accepted" : document.status().to_string();
}

// The pickle's value as text, so that tests read like Python.
std::string show(const Document& d, Id id, int depth = 0) {
  if (depth > 20) return "...";
  const auto list = [&](std::span<const Id> items) {
    std::string out;
    for (const Id item : items) out += concat(out.empty() ? "" : ", ", show(d, item, depth + 1));
    return out;
  };
  switch (d.kind(id)) {
    case Kind::none: return "None";
    case Kind::boolean: return d.boolean(id) ? "True" : "False";
    case Kind::integer: return concat(d.integer(id));
    case Kind::big_integer: return bytes_to_decimal(d.text(id));
    case Kind::real: return concat(d.real(id));
    case Kind::text: return concat("'", d.text(id), "'");
    case Kind::bytes: return concat("b'", d.text(id), "'");
    case Kind::list: return concat("[", list(d.items(id)), "]");
    case Kind::tuple: return concat("(", list(d.items(id)), ")");
    case Kind::set: return concat("{", list(d.items(id)), "}");
    case Kind::dict: return concat("dict(", list(d.items(id)), ")");
    case Kind::global: return concat(d.global(id).module, ".", d.global(id).name);
    case Kind::persistent: return concat("<", list(d.items(id)), ">");
    case Kind::object: {
      const Object& o = d.object(id);
      return concat(show(d, o.callable, depth + 1), show(d, o.args, depth + 1),
                    o.state ? concat(" state ", show(d, *o.state, depth + 1)) : "",
                    o.appended.empty() ? "" : concat(" items ", list(o.appended)), o.pairs.empty() ? "" : concat(" pairs ", list(o.pairs)));
    }
  }
  return "?";
}

std::string value(std::string_view bytes) {
  const auto document = run(bytes);
  return document.ok() ? show(*document, document->root()) : document.status().to_string();
}

TEST(Pickle, ReadsScalarsOfEveryProtocol) {
  EXPECT_EQ(value("N."), "None");
  EXPECT_EQ(value("\x80\x02\x88."s), "True");
  EXPECT_EQ(value("I01\n."), "True");
  EXPECT_EQ(value("I00\n."), "False");
  EXPECT_EQ(value("I-42\n."), "-42");
  EXPECT_EQ(value("L-42L\n."), "-42");
  EXPECT_EQ(value("K\xff."), "255");
  EXPECT_EQ(value("M\x01\x02."), "513");
  EXPECT_EQ(value("J\xff\xff\xff\xff."), "-1");
  EXPECT_EQ(value("\x8a\x00."s), "0");
  EXPECT_EQ(value("\x8a\x01\xff."s), "-1");
  EXPECT_EQ(value("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."s), "9223372036854775808");
  EXPECT_EQ(value("L119547037146038801333356L\n."), "119547037146038801333356");
  EXPECT_EQ(value("L-9223372036854775809L\n."), "-9223372036854775809");
  EXPECT_EQ(value("F0.5\n."), "0.5");
  EXPECT_EQ(value("G\x3f\xe0\x00\x00\x00\x00\x00\x00."s), "0.5");
  EXPECT_EQ(value("S'a\\n\\x41\\101'\n."), "'a\nAA'");
  EXPECT_EQ(value("U\x02hi."), "'hi'");
  EXPECT_EQ(value("T\x02\x00\x00\x00hi."s), "'hi'");
  EXPECT_EQ(value("Vh\\u00e9\\U0001f600\n."), "'h\xc3\xa9\xf0\x9f\x98\x80'");
  EXPECT_EQ(value("X\x02\x00\x00\x00hi."s), "'hi'");
  EXPECT_EQ(value("\x8c\x02hi."s), "'hi'");
  EXPECT_EQ(value("\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi."s), "'hi'");
  EXPECT_EQ(value("C\x02hi."), "b'hi'");
  EXPECT_EQ(value("B\x02\x00\x00\x00hi."s), "b'hi'");
  EXPECT_EQ(value("\x8e\x02\x00\x00\x00\x00\x00\x00\x00hi."s), "b'hi'");
  EXPECT_EQ(value("\x96\x02\x00\x00\x00\x00\x00\x00\x00hi."s), "b'hi'");
  EXPECT_EQ(value("U\x01\xff."s), "b'\xff'") << "8-bit strings that are not UTF-8 stay bytes";
}

TEST(Pickle, ReadsContainersOfEveryProtocol) {
  EXPECT_EQ(value("(K\1K\2l."), "[1, 2]");
  EXPECT_EQ(value("](K\1K\2e."), "[1, 2]");
  EXPECT_EQ(value("]K\1a."), "[1]");
  EXPECT_EQ(value("(K\1K\2t."), "(1, 2)");
  EXPECT_EQ(value(")."), "()");
  EXPECT_EQ(value("K\1K\2K\3\x87."), "(1, 2, 3)");
  EXPECT_EQ(value("(U\1aK\1d."), "dict('a', 1)");
  EXPECT_EQ(value("}(U\1aK\1U\1bK\2u."), "dict('a', 1, 'b', 2)");
  EXPECT_EQ(value("}U\1aK\1s."), "dict('a', 1)");
  EXPECT_EQ(value("\x8f(K\1\x90."), "{1}");
  EXPECT_EQ(value("(K\1\x91."), "{1}");
  EXPECT_EQ(value("K\1"
                  "20"
                  "\x85."),
            "(1)")
      << "DUP and POP";
  EXPECT_EQ(value("K\1(K\2K\3"
                  "1."),
            "1")
      << "POP_MARK";
  EXPECT_EQ(value("K\1(0."), "1") << "POP of a mark";
  EXPECT_EQ(value("\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00]\x94."s), "[]");
}

TEST(Pickle, MemoIsShared) {
  EXPECT_EQ(value("K\5q\0h\0\x86."s), "(5, 5)");
  EXPECT_EQ(value("K\5p0\ng0\n\x86."), "(5, 5)");
  EXPECT_EQ(value("](K\5\x94"
                  "0h\0e."s),
            "[5]");
  EXPECT_EQ(value("]r\1\0\0\0j\1\0\0\0\x86."s), "([], [])");
}

TEST(Pickle, AListMayHoldItself) {
  const auto document = run("]q\0h\0a."s);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->items(document->root())[0], document->root());
}

TEST(Pickle, CallsBecomeDataAndNothingRuns) {
  EXPECT_EQ(value("ccollections\nOrderedDict\n)R."), "collections.OrderedDict()");
  EXPECT_EQ(value("c__builtin__\nset\n]K\1a\x85R."), "builtins.set([1])") << "Python 2's name";
  EXPECT_EQ(value("\x8c\x0b"
                  "collections\x8c\x07"
                  "Counter\x93)R."s),
            "collections.Counter()");
  EXPECT_EQ(value("(K\1icollections\nCounter\n."), "collections.Counter(1)");
  EXPECT_EQ(value("(ccollections\nCounter\nK\1o."), "collections.Counter(1)");
  EXPECT_EQ(value("ccollections\nCounter\n)\x81}b."), "collections.Counter() state dict()");
  EXPECT_EQ(value("ccollections\nCounter\n)}\x92."), "collections.Counter()");
  EXPECT_EQ(value("ccollections\nOrderedDict\n)R(U\1aK\1u."), "collections.OrderedDict() pairs 'a', 1");
  EXPECT_EQ(value("ccollections\ndeque\n)R(K\1e."), "collections.deque() items 1");
  EXPECT_EQ(value("Pkey\n."), "<'key'>");
  EXPECT_EQ(value("K\1Q."), "<1>");
}

TEST(Pickle, FindsTheLastOfAKey) {
  const auto document = run("}(U\1aK\1U\1aK\2u.");
  ASSERT_TRUE(document.ok());
  ASSERT_TRUE(document->find(document->root(), "a"));
  EXPECT_EQ(document->integer(*document->find(document->root(), "a")), 2);
  EXPECT_FALSE(document->find(document->root(), "b"));
}

TEST(Pickle, HostileGlobalsAreRefusedByNameBeforeAnythingElse) {
  const std::string system = "unsupported: at byte 0: the pickle names 'posix.system' (opcode GLOBAL): no such thing as system";
  EXPECT_EQ(refusal("cposix\nsystem\n(S'echo pwned'\ntR."), system);
  EXPECT_NE(refusal("(S'echo'\niposix\nsystem\n.").find("'posix.system' (opcode INST)"), std::string::npos);
  EXPECT_NE(refusal("(cos\nsystem\nS'echo'\no.").find("'os.system' (opcode GLOBAL)"), std::string::npos);
  EXPECT_NE(refusal("\x8c\x02os\x8c\x06system\x93."s).find("'os.system' (opcode STACK_GLOBAL)"), std::string::npos);
  EXPECT_NE(refusal("\x82\x01."s).find("opcode EXT"), std::string::npos);
  EXPECT_NE(refusal("\x83\x01\x00."s).find("opcode EXT"), std::string::npos);
  EXPECT_NE(refusal("\x84\x01\x00\x00\x00."s).find("opcode EXT"), std::string::npos);
  EXPECT_NE(refusal("\x97.").find("buffers outside itself"), std::string::npos);
}

TEST(Pickle, OnlyGlobalsAreCalled) {
  EXPECT_NE(refusal("U\1a)R.").find("opcode REDUCE calls a string"), std::string::npos);
  EXPECT_NE(refusal("ccollections\nCounter\n)R)R.").find("opcode REDUCE calls an object"), std::string::npos) << "no calls of results";
  EXPECT_NE(refusal("])\x81.").find("opcode NEWOBJ calls a list"), std::string::npos);
  EXPECT_NE(refusal("ccollections\nCounter\nK\1R.").find("gives an integer as arguments"), std::string::npos);
  EXPECT_NE(refusal("]}b.").find("opcode BUILD sets the state of a list"), std::string::npos);
  EXPECT_NE(refusal("ccollections\nCounter\n}b.").find("opcode BUILD sets the state of a global"), std::string::npos);
  EXPECT_NE(refusal("(o.").find("opcode OBJ has no class"), std::string::npos);
}

TEST(Pickle, BrokenProgramsSayWhere) {
  EXPECT_EQ(refusal(""), "data_loss: at byte 0: the pickle is cut off: it ends without STOP ('.')");
  EXPECT_EQ(refusal("K\1"), "data_loss: at byte 2: the pickle is cut off: it ends without STOP ('.')");
  EXPECT_EQ(refusal("."), "data_loss: at byte 0: the pickle takes a value from an empty stack");
  EXPECT_EQ(refusal("K\1K\2."), "data_loss: at byte 4: STOP comes with values left on the stack");
  EXPECT_EQ(refusal("t."), "data_loss: at byte 0: the pickle takes values up to a mark, and no mark is set");
  EXPECT_EQ(refusal("K\1(\x85."), "data_loss: at byte 3: the pickle takes a value from an empty stack") << "a mark is a floor";
  EXPECT_EQ(refusal("h\5."), "data_loss: at byte 0: memo entry 5 is fetched, and nothing was put there");
  EXPECT_EQ(refusal("Nr\xff\xff\xff\x7f."),
            "data_loss: at byte 1: memo entry 2147483647 is set after 2 opcodes; entries are counted from 0");
  EXPECT_EQ(refusal("\xff."), "data_loss: at byte 0: byte 255 is no pickle opcode");
  EXPECT_NE(refusal("\x80\x09N."), "None");
  EXPECT_NE(refusal("X\xff\xff\xff\x7f"
                    "a.")
                .find("announces 2147483647 bytes, only 2 remain"),
            std::string::npos);
  EXPECT_NE(refusal("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s).find("announces 18446744073709551615 bytes"), std::string::npos);
  EXPECT_NE(refusal("\x8b\xff\xff\xff\x7f.").find("announces 2147483647 bytes"), std::string::npos) << "a huge LONG4";
  EXPECT_NE(refusal("\x8b\xff\xff\xff\xff.").find("announces -1 bytes"), std::string::npos);
  EXPECT_NE(refusal(concat("L", std::string(5000, '9'), "L\n.")).find("an integer of 5000 digits"), std::string::npos);
  EXPECT_NE(refusal("I12").find("the line of INT does not end"), std::string::npos);
  EXPECT_NE(refusal("I1x\n.").find("is no integer"), std::string::npos);
  EXPECT_NE(refusal("Fx\n.").find("is no float"), std::string::npos);
  EXPECT_NE(refusal("S'a\n.").find("is no quoted string"), std::string::npos);
  EXPECT_NE(refusal("S'\\q'\n.").find("is no quoted string"), std::string::npos);
  EXPECT_NE(refusal("V\\u12\n.").find("broken escape"), std::string::npos);
  EXPECT_NE(refusal("V\\udc00\n.").find("broken escape"), std::string::npos);
  EXPECT_NE(refusal("X\x01\x00\x00\x00\xff."s).find("is not UTF-8"), std::string::npos);
  EXPECT_NE(refusal("]K\1K\2s.").find("opcode SETITEM sets items of a list"), std::string::npos);
  EXPECT_NE(refusal("}(K\1u.").find("a key without a value"), std::string::npos);
  EXPECT_NE(refusal("}K\1a.").find("opcode APPEND appends to a dict"), std::string::npos);
  EXPECT_NE(refusal("\x95\xff\x00\x00\x00\x00\x00\x00\x00N."s).find("a frame of 255 bytes"), std::string::npos);
}

TEST(Pickle, ManyReferencesToOneValueCostNothing) {
  // Billion laughs: each list holds the one before it twenty times.
  std::string bytes = "]q\0";
  bytes.resize(3);
  for (int level = 1; level < 100; ++level) {
    bytes += "](";
    for (int i = 0; i < 20; ++i) bytes += {'h', static_cast<char>(level - 1)};
    bytes += {'e', 'q', static_cast<char>(level)};
  }
  bytes += "h\x63.";
  // What is left below the last one is popped by a tuple.
  const auto document = run(concat("(", bytes.substr(0, bytes.size() - 1), "t."));
  ASSERT_TRUE(document.ok()) << document.status().to_string();
  EXPECT_LT(document->size(), 200u);
}

TEST(Pickle, ValuesAreLimited) {
  Options options;
  options.limits.free_expanded_bytes = 0;
  const std::string many = concat("(", std::string(100'000, 'N'), "t.");
  const auto document = read(std::as_bytes(std::span(many)), options);
  EXPECT_EQ(document.status().code(), StatusCode::limit_exceeded);
}

TEST(Pickle, SeveralMayFollowOneAnother) {
  const std::string two = "K\1.K\2.";
  const auto first = run(two);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->bytes_read(), 3u);
  EXPECT_EQ(value(std::string_view(two).substr(3)), "2");
}

TEST(PickleText, Latin1) {
  EXPECT_EQ(latin1_bytes("a\xc3\xbf\xc2\x80"), "a\xff\x80");
  EXPECT_FALSE(latin1_bytes("\xe2\x82\xac"));
  EXPECT_EQ(bytes_to_decimal(std::string(70, '\x01')).substr(0, 4), "0x01");
  EXPECT_EQ(bytes_to_decimal(*decimal_to_bytes("-128")), "-128");
  EXPECT_EQ(decimal_to_bytes("-128")->size(), 1u);
  EXPECT_EQ(decimal_to_bytes("128")->size(), 2u);
}

}  // namespace
}  // namespace ferry::pickle

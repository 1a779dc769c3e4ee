// Model files, as model_file.py writes them: lines of text that say what follows, and arrays.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "sha256.hpp"

namespace camp {

struct BadModelFile : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class ModelFile {
  public:
    std::string kind;  // which code reads it
    std::vector<std::string> elements;

    // Looks at all of the file; the bytes must outlive it.
    ModelFile(const char *bytes, size_t size) : bytes_(bytes) {
        const std::string first = line(0, size);
        if (first.rfind(magic, 0) != 0)
            throw BadModelFile("is no model file of 'camp lammps'");
        if (first != magic + version)
            throw BadModelFile("is of another version of camp; make it anew with 'camp lammps'");
        const size_t second = first.size() + 1, text = second + line(second, size).size() + 1;
        if (text > size || line(second, size) != "sha256 " + sha256(bytes + text, size - text))
            throw BadModelFile("is damaged; copy or make it anew");
        // From here on the content is what was written.
        size_t place = text;
        std::vector<std::pair<std::string, Array>> found;
        for (std::string now; (now = line(place, size)) != "end"; place += now.size() + 1) {
            if (place >= size) throw BadModelFile("is damaged; copy or make it anew");
            std::istringstream words(now);
            std::string key, name;
            words >> key;
            if (key == "kind") std::getline(words >> std::ws, kind);
            if (key == "elements")
                while (words >> name) elements.push_back(name);
            if (key == "array") {
                Array array{};
                words >> name >> array.item >> array.count;
                found.emplace_back(name, array);
            }
        }
        place += std::strlen("end\n");
        for (auto &[name, array] : found) {
            place = (place + 63) / 64 * 64;
            if (place > size || (array.item && array.count > (size - place) / array.item))
                throw BadModelFile("is damaged; copy or make it anew");
            array.values = bytes + place;
            place += array.item * array.count;
            arrays_[name] = array;
        }
    }

    template <typename Value>
    struct View {
        const Value *values;
        int64_t count;  // of Value
    };

    // An array with items of so many bytes, seen as values that may consist of several.
    template <typename Value>
    View<Value> array(const std::string &name, size_t item) const {
        const auto found = arrays_.find(name);
        if (found == arrays_.end() || found->second.item != item)
            throw BadModelFile("has no " + name + " of this kind");
        const size_t size = found->second.item * found->second.count;
        return {reinterpret_cast<const Value *>(found->second.values),
                static_cast<int64_t>(size / sizeof(Value))};
    }

    template <typename Value>
    View<Value> array(const std::string &name) const {
        return array<Value>(name, sizeof(Value));
    }

  private:
    struct Array {
        size_t item, count;
        const char *values;
    };

    static inline const std::string magic = "camp-model ", version = "2";
    const char *bytes_;
    std::map<std::string, Array> arrays_;

    std::string line(size_t begin, size_t size) const {
        const void *end = begin < size ? std::memchr(bytes_ + begin, '\n', size - begin) : nullptr;
        return end ? std::string(bytes_ + begin, static_cast<const char *>(end)) : std::string();
    }
};

}  // namespace camp

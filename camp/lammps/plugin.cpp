// pair_style camp as a plugin, for the LAMMPS whose headers it was compiled with. The preprocessor
// names LAMMPS_DATE, such as "22 Jul 2025", and LAMMPS_NUMBER, such as 20250722.

#include <cstdio>

#include "library.h"
#include "pair_camp.h"

// As LAMMPS declares them; not all its distributions have the header.
extern "C" {
using Factory = void *(void *);
struct lammpsplugin_t {
    const char *version, *style, *name, *info, *author;
    Factory *create;
    void *handle;
};
using Register = void(lammpsplugin_t *, void *);
}

static void *create(void *lmp)
{
    return new LAMMPS_NS::PairCamp(static_cast<LAMMPS_NS::LAMMPS *>(lmp));
}

// LAMMPS itself only warns of another version, whose memory may be laid out differently.
static void refuse_others(void *lmp)
{
    char complaint[300];
    if (const int number = lammps_version(lmp); number != LAMMPS_NUMBER) {
        std::snprintf(complaint, sizeof complaint,
                      "the plugin of pair_style camp was compiled for LAMMPS of " LAMMPS_DATE
                      ", not for this one (%d); make it anew with 'camp lammps --lammps'",
                      number);
        lammps_error(lmp, LMP_ERROR_ALL | LMP_ERROR_WORLD, complaint);
    }
    if (lammps_extract_setting(lmp, "tagint") != sizeof(LAMMPS_NS::tagint) ||
        lammps_extract_setting(lmp, "imageint") != sizeof(LAMMPS_NS::imageint) ||
        lammps_extract_setting(lmp, "bigint") != sizeof(LAMMPS_NS::bigint))
        lammps_error(lmp, LMP_ERROR_ALL | LMP_ERROR_WORLD,
                     "the plugin of pair_style camp was compiled for integers of other sizes; make "
                     "it anew with 'camp lammps --lammps'");
}

extern "C" [[gnu::visibility("default")]] void lammpsplugin_init(void *lmp, void *handle, void *enter)
{
    refuse_others(lmp);
    lammpsplugin_t plugin{LAMMPS_DATE, "pair", "camp", "Cartesian atomic moment potentials and others",
                          "camp", &create, handle};
    reinterpret_cast<Register *>(enter)(&plugin, lmp);
}

"""The names of the classes of published data sets, each under its number in the files.

CIFAR: the original files' `batches.meta` and `meta` (Krizhevsky 2009). MedMNIST: its `INFO` (Yang et al.
2023), two of the names shortened, "pleural" spelled out; RetinaMNIST's grades have none.
"""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.config.classes import ClassLabel, numbered

CIFAR10 = numbered("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# A superclass and its five classes, whose numbers are their places in the alphabet.
_CIFAR100 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
CIFAR100 = numbered(*sorted(" ".join(_CIFAR100.values()).split()))


def _superclasses() -> dict[str, tuple[ClassLabel, ...]]:
    number = {name: label for label, name in CIFAR100.items()}
    found = {}
    for superclass, members in _CIFAR100.items():
        found[superclass] = tuple(number[name] for name in members.split())
    return found


CIFAR100_SUPERCLASSES: Mapping[str, tuple[ClassLabel, ...]] = _superclasses()

_ORGANS = numbered(
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
)
MEDMNIST: Mapping[str, Mapping[ClassLabel, str]] = {
    "bloodmnist": numbered(
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature granulocytes",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "breastmnist": numbered("malignant", "normal or benign"),
    "chestmnist": numbered(
        "atelectasis",
        "cardiomegaly",
        "effusion",
        "infiltration",
        "mass",
        "nodule",
        "pneumonia",
        "pneumothorax",
        "consolidation",
        "edema",
        "emphysema",
        "fibrosis",
        "pleural thickening",
        "hernia",
    ),
    "dermamnist": numbered(
        "actinic keratoses and intraepithelial carcinoma",
        "basal cell carcinoma",
        "benign keratosis-like lesions",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevi",
        "vascular lesions",
    ),
    "octmnist": numbered("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
    "pathmnist": numbered(
        "adipose",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth muscle",
        "normal colon mucosa",
        "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium",
    ),
    "pneumoniamnist": numbered("normal", "pneumonia"),
    "retinamnist": numbered("0", "1", "2", "3", "4"),
    "tissuemnist": numbered(
        "Collecting Duct, Connecting Tubule",
        "Distal Convoluted Tubule",
        "Glomerular endothelial cells",
        "Interstitial endothelial cells",
        "Leukocytes",
        "Podocytes",
        "Proximal Tubule Segments",
        "Thick Ascending Limb",
    ),
}
# A larger copy of a set has its side length behind the name: "breastmnist_128".
MEDMNIST_SIZES = ("_64", "_128", "_224")
